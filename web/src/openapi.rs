//! `/api/v1/openapi.yaml`: what the API takes and answers, for programs that make clients or tests of it. Written from
//! the table in `operations`; the answers are described as far as their envelope.

mod operations;
#[cfg(test)]
mod tests;

use operations::{OPERATIONS, Operation, Param, Shape, Takes};
use std::fmt::Write;

/// The versions of OpenAPI that the document can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V31,
    V32,
}

impl Version {
    /// The version of this name; the older one if there is none.
    pub(crate) fn from_name(name: &str) -> Self {
        if name == "3.2" { Self::V32 } else { Self::V31 }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V31 => "3.1.0",
            Self::V32 => "3.2.0",
        }
    }
}

/// The document. `base` is where the API is found, `release` what it stands for.
pub(crate) fn document(version: Version, base: &str, release: &str) -> String {
    let mut out = String::with_capacity(48 << 10);
    let head = format!(
        "openapi: {}\ninfo:\n  title: Prometheus API\n  description: The HTTP API of Prometheus, served by Firesteel.\n  \
         version: {}\nservers:\n- url: {}\npaths:\n",
        version.name(),
        quoted(release),
        quoted(base),
    );
    out.push_str(&head);
    for operations in OPERATIONS.chunk_by(|a, b| a.path == b.path) {
        out.push_str("  ");
        out.push_str(&quoted(operations[0].path));
        out.push_str(":\n");
        for operation in operations {
            push_operation(&mut out, operation, version);
        }
    }
    out.push_str(COMPONENTS);
    out
}

/// A text in the quotes of YAML, which are those of JSON.
fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    crate::json::push_text(&mut out, text);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn line(out: &mut String, indent: usize, text: &str) {
    let _ = writeln!(out, "{:indent$}{text}", "");
}

fn push_operation(out: &mut String, operation: &Operation, version: Version) {
    line(out, 4, &format!("{}:", operation.method));
    line(out, 6, &format!("operationId: {}", operation.id));
    line(out, 6, &format!("summary: {}", quoted(operation.summary)));
    line(out, 6, &format!("tags: [{}]", operation.tag));
    let in_path = operation.params.iter().filter(|param| param.in_path);
    let others = operation.params.iter().filter(|param| !param.in_path);
    let in_query: Vec<&Param> = match operation.takes {
        Takes::Form => in_path.collect(),
        _ => in_path.chain(others).collect(),
    };
    if !in_query.is_empty() {
        line(out, 6, "parameters:");
        in_query.iter().for_each(|param| push_param(out, param));
    }
    match operation.takes {
        Takes::Nothing => {}
        Takes::Form => push_form(out, operation.params),
        Takes::Body(media) => {
            line(out, 6, "requestBody:");
            line(out, 8, "required: true");
            line(out, 8, "content:");
            for media in media {
                line(out, 10, &format!("{}:", quoted(media)));
                line(out, 12, "schema: {type: string, format: binary}");
            }
        }
    }
    push_responses(out, operation, version);
}

fn push_param(out: &mut String, param: &Param) {
    line(out, 6, &format!("- name: {}", quoted(param.name)));
    line(out, 8, if param.in_path { "in: path" } else { "in: query" });
    line(out, 8, &format!("description: {}", quoted(param.what)));
    line(out, 8, &format!("required: {}", param.required));
    if param.shape == Shape::Texts {
        line(out, 8, "explode: true");
    }
    line(out, 8, &format!("schema: {}", schema(param.shape)));
}

fn push_form(out: &mut String, params: &[Param]) {
    line(out, 6, "requestBody:");
    line(out, 8, "required: true");
    line(out, 8, "content:");
    line(out, 10, "application/x-www-form-urlencoded:");
    line(out, 12, "schema:");
    line(out, 14, "type: object");
    line(out, 14, "properties:");
    for param in params.iter().filter(|param| !param.in_path) {
        line(out, 16, &format!("{}: {}", quoted(param.name), schema(param.shape)));
    }
    let required = params.iter().filter(|param| !param.in_path && param.required);
    let required: Vec<String> = required.map(|param| quoted(param.name)).collect();
    if !required.is_empty() {
        line(out, 14, &format!("required: [{}]", required.join(", ")));
    }
}

fn schema(shape: Shape) -> &'static str {
    match shape {
        Shape::Text => "{type: string}",
        Shape::Texts => "{type: array, items: {type: string}}",
        Shape::Count => "{type: integer, format: int64, minimum: 0}",
        Shape::Flag => "{type: boolean}",
        Shape::Time => "{$ref: '#/components/schemas/Time'}",
        Shape::Duration => "{$ref: '#/components/schemas/Duration'}",
    }
}

fn push_responses(out: &mut String, operation: &Operation, version: Version) {
    line(out, 6, "responses:");
    let (status, media, schema) = operation.answers.success();
    line(out, 8, &format!("'{status}':"));
    line(out, 10, &format!("description: {}", quoted(operation.answers.words())));
    if let Some(media) = media {
        line(out, 10, "content:");
        line(out, 12, &format!("{}:", quoted(media)));
        // Items of a stream are known to the newer version only.
        let is_stream = matches!(media, "text/event-stream" | "application/x-ndjson");
        let key = if is_stream && version == Version::V32 { "itemSchema" } else { "schema" };
        line(out, 14, &format!("{key}: {schema}"));
    }
    line(out, 8, "default:");
    line(out, 10, "$ref: '#/components/responses/Error'");
}

/// What the operations refer to.
const COMPONENTS: &str = "components:
  responses:
    Error:
      description: What went wrong; endpoints that do not answer JSON say it as plain text.
      content:
        application/json:
          schema: {$ref: '#/components/schemas/Error'}
        text/plain:
          schema: {type: string}
  schemas:
    Time:
      description: Seconds since 1970, with a fraction if need be, or a date and time of RFC 3339.
      anyOf:
      - {type: number}
      - {type: string, format: date-time}
    Duration:
      description: Seconds, with a fraction if need be, or numbers with units as in 1h30m.
      anyOf:
      - {type: number}
      - {type: string}
    Error:
      type: object
      required: [status, errorType, error]
      properties:
        status: {type: string, const: error}
        errorType:
          type: string
          enum: [bad_data, execution, canceled, timeout, internal, unavailable, not_found]
        error: {type: string}
        data: {}
    Success:
      type: object
      required: [status]
      properties:
        status: {type: string, const: success}
        data: {}
        warnings: {$ref: '#/components/schemas/Texts'}
        infos: {$ref: '#/components/schemas/Texts'}
    Texts:
      type: array
      items: {type: string}
    TextsSuccess:
      allOf:
      - {$ref: '#/components/schemas/Success'}
      - type: object
        required: [data]
        properties:
          data: {$ref: '#/components/schemas/Texts'}
    Labels:
      type: object
      additionalProperties: {type: string}
    LabelsSuccess:
      allOf:
      - {$ref: '#/components/schemas/Success'}
      - type: object
        required: [data]
        properties:
          data:
            type: array
            items: {$ref: '#/components/schemas/Labels'}
    Sample:
      description: The time in seconds and the value as text.
      type: array
      prefixItems:
      - {type: number}
      - {type: string}
      minItems: 2
      maxItems: 2
    HistogramSample:
      description: The time in seconds and the native histogram.
      type: array
      prefixItems:
      - {type: number}
      - {$ref: '#/components/schemas/Histogram'}
      minItems: 2
      maxItems: 2
    Histogram:
      type: object
      required: [count, sum]
      properties:
        count: {type: string}
        sum: {type: string}
        buckets:
          description: For each bucket that is not empty which bounds are inclusive, the bounds and the count.
          type: array
          items:
            type: array
            prefixItems:
            - {type: integer, minimum: 0, maximum: 3}
            - {type: string}
            - {type: string}
            - {type: string}
    Series:
      type: object
      required: [metric]
      properties:
        metric: {$ref: '#/components/schemas/Labels'}
        value: {$ref: '#/components/schemas/Sample'}
        histogram: {$ref: '#/components/schemas/HistogramSample'}
        values:
          type: array
          items: {$ref: '#/components/schemas/Sample'}
        histograms:
          type: array
          items: {$ref: '#/components/schemas/HistogramSample'}
    QueryData:
      type: object
      required: [resultType, result]
      properties:
        resultType: {type: string, enum: [matrix, vector, scalar, string]}
        result:
          anyOf:
          - type: array
            items: {$ref: '#/components/schemas/Series'}
          - {$ref: '#/components/schemas/Sample'}
        stats: {type: object}
        plan: {type: object}
    QuerySuccess:
      allOf:
      - {$ref: '#/components/schemas/Success'}
      - type: object
        required: [data]
        properties:
          data: {$ref: '#/components/schemas/QueryData'}
";
