//! Past samples by HTTP: what takes them, and the lines that tell how far it is. The body is handed on as it comes;
//! what is wrong with it is told before the answer begins, progress afterwards, a JSON object a line.

use crate::api::Object;
use crate::call::Done;
use crate::error::{ApiError, Kind, Result};
use crate::json::Out;
use crate::params::Params;
use crate::response::error_envelope;
use flate2::write::MultiGzDecoder;
use metrics::Stopwatch;
use remote::receive::Message;
use std::io::{self, Write};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Takes past samples.
pub trait Import: Send + Sync {
    /// Begins to take a body.
    fn begin(&self, format: Format) -> std::result::Result<Box<dyn Upload>, Failure>;
}

/// A body on its way; dropped before the end, it never was.
pub trait Upload: Send {
    /// Some more of the body.
    fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), Failure>;
    /// That was all: reads it and stores its samples, all or none. `report` hears how far that is, for the first time
    /// once everything was found to be good; its error ends the import.
    fn finish(
        self: Box<Self>,
        report: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> std::result::Result<Imported, Failure>;
}

/// What a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics text.
    OpenMetrics {
        /// Labels that every series gets in the place of its own.
        labels: Vec<(String, String)>,
        /// How long blocks may be, in milliseconds.
        max_block_ms: Option<i64>,
    },
    /// Remote write.
    RemoteWrite {
        /// What its messages are.
        message: Message,
        /// Whether there are many, in the frames of streamed remote read.
        is_framed: bool,
    },
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The body is wrong; the text says where.
    #[error("{0}")]
    Refused(String),
    /// Another import is under way.
    #[error("another import is under way; try again when it is done")]
    Busy,
    /// Nobody listens any more.
    #[error("the client went away")]
    Gone,
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        match failure {
            Failure::Refused(_) => Self::bad_data(text),
            Failure::Busy => Self::new(Kind::Execution, text),
            Failure::Gone => Self::new(Kind::Canceled, text),
            Failure::Storage(error) => Self::from(error),
        }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The pass over the body; the first one, zero, only looks whether it is good.
    pub pass: usize,
    /// How many there are besides; zero during the first.
    pub num_passes: usize,
    /// How much of the body this pass has read.
    pub read_bytes: usize,
    /// How long the body is.
    pub all_bytes: usize,
}

/// What was imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Samples that are stored.
    pub num_samples: u64,
    /// Samples that were left out, as another value of their series and time came first.
    pub num_refused: u64,
    /// The blocks.
    pub blocks: Vec<ImportedBlock>,
}

/// A block of past samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedBlock {
    /// Its name.
    pub ulid: String,
    /// Time of its first sample.
    pub min_ms: i64,
    /// Behind the time of its last sample.
    pub max_ms: i64,
    /// How many series it has.
    pub num_series: u64,
    /// How many samples it has.
    pub num_samples: u64,
    /// Whether it is so old that retention removed it at once.
    pub is_expired: bool,
}

/// Which of the two formats a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    OpenMetrics,
    RemoteWrite,
}

/// What is packed around a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    No,
    Gzip,
}

/// The media type of a body of many messages of remote write.
const STREAMED: &str = "application/x-streamed-protobuf";

/// What the body of a request is, by its parameters and headers.
pub(crate) fn format(
    kept: Kept,
    params: &Params,
    (content_type, content_encoding): (&str, &str),
) -> Result<(Format, Packed)> {
    params.insist()?;
    let encoding = content_encoding.trim();
    if kept == Kept::RemoteWrite {
        let mut parts = content_type.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let is_framed = media.eq_ignore_ascii_case(STREAMED);
        if !is_framed && !media.eq_ignore_ascii_case("application/x-protobuf") {
            return Err(ApiError::bad_data(format!(
                "Content-Type {content_type:?} is not known here: application/x-protobuf for one message, \
                 {STREAMED} for many in frames"
            )));
        }
        if !is_framed && !matches!(encoding, "" | "snappy") {
            let what = format!("Content-Encoding {encoding:?} is not known here: snappy");
            return Err(ApiError::bad_data(what));
        }
        let proto = parts.find_map(|part| part.strip_prefix("proto="));
        let name = proto.unwrap_or(Message::V1.name());
        let message = Message::from_name(name)
            .ok_or_else(|| ApiError::bad_data(format!("there is no message {name:?}")))?;
        return Ok((Format::RemoteWrite { message, is_framed }, Packed::No));
    }
    let packed = match encoding {
        "" | "identity" => Packed::No,
        "gzip" => Packed::Gzip,
        other => {
            let what = format!("Content-Encoding {other:?} is not known here: gzip");
            return Err(ApiError::bad_data(what));
        }
    };
    let label = |text: &str| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            ApiError::parameter("extra_label", format!("expected name=value, got {text:?}"))
        })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    let labels = params.all("extra_label").map(label).collect::<Result<_>>()?;
    let max_block_ms = match params.get("max_block_duration") {
        "" => None,
        text => {
            let parsed = model::duration::parse(text);
            Some(parsed.map_err(|error| ApiError::parameter("max_block_duration", error))?)
        }
    };
    Ok((Format::OpenMetrics { labels, max_block_ms }, packed))
}

/// Part of a body, or why there is no more.
pub(crate) type Part = std::result::Result<bytes::Bytes, String>;

/// Hands bytes to an upload, and remembers what it says to them.
struct Feed<'u> {
    upload: &'u mut dyn Upload,
    failure: Option<Failure>,
}

impl Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.upload.write(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                let error = io::Error::other(failure.to_string());
                self.failure = Some(failure);
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the parts of a body and imports it.
pub(crate) fn import(
    importer: &dyn Import,
    (format, packed): (Format, Packed),
    parts: &mut mpsc::Receiver<Part>,
    out: &mut Out<'_>,
) -> Result<Done> {
    let mut upload = importer.begin(format)?;
    let mut feed = Feed { upload: &mut *upload, failure: None };
    match packed {
        Packed::No => receive(parts, &mut feed).map_err(|error| said(&mut feed, &error))?,
        Packed::Gzip => {
            let mut unpacker = MultiGzDecoder::new(feed);
            let received = receive(parts, &mut unpacker).and_then(|()| unpacker.try_finish());
            received.map_err(|error| said(unpacker.get_mut(), &error))?;
        }
    }
    let mut told: Option<Stopwatch> = None;
    let mut pass = 0;
    let mut report = |step: Step| {
        let is_news = step.pass != pass;
        if step.pass == 0 || !is_news && told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return Ok(());
        }
        (pass, told) = (step.pass, Some(Stopwatch::start()));
        push_step(&mut out.bytes, step);
        out.flush().map_err(io::Error::other)
    };
    let imported = upload.finish(&mut report);
    match imported {
        Ok(imported) => push_imported(&mut out.bytes, &imported),
        Err(failure) if told.is_none() => return Err(failure.into()),
        Err(Failure::Gone) => return Ok(Done::Gone),
        Err(failure) => {
            tracing::error!(component = "import", err = %failure, "An import failed");
            out.bytes.extend(error_envelope(&failure.into()));
        }
    }
    out.push("\n");
    Ok(Done::Written)
}

/// What went wrong while a body arrived.
fn said(feed: &mut Feed<'_>, error: &io::Error) -> ApiError {
    match feed.failure.take() {
        Some(failure) => failure.into(),
        None => ApiError::bad_data(format!("reading the body: {error}")),
    }
}

fn receive(parts: &mut mpsc::Receiver<Part>, into: &mut dyn Write) -> io::Result<()> {
    loop {
        match parts.blocking_recv() {
            Some(Ok(bytes)) if bytes.is_empty() => return Ok(()),
            Some(Ok(bytes)) => into.write_all(&bytes)?,
            Some(Err(what)) => return Err(io::Error::other(what)),
            None => return Err(io::Error::other("it broke off")),
        }
    }
}

fn push_step(out: &mut Vec<u8>, step: Step) {
    Object::write(out, |object| {
        object.object("progress", |progress| {
            progress.plain("pass", step.pass);
            progress.plain("passes", step.num_passes);
            progress.plain("readBytes", step.read_bytes);
            progress.plain("bytes", step.all_bytes);
        });
    });
    out.push(b'\n');
}

fn push_imported(out: &mut Vec<u8>, imported: &Imported) {
    Object::write(out, |object| {
        object.text("status", "success");
        object.object("data", |data| {
            data.plain("samples", imported.num_samples);
            data.plain("refusedSamples", imported.num_refused);
            data.list("blocks", &imported.blocks, |out, block| {
                Object::write(out, |object| {
                    object.text("ulid", &block.ulid);
                    object.plain("minTime", block.min_ms);
                    object.plain("maxTime", block.max_ms);
                    object.plain("series", block.num_series);
                    object.plain("samples", block.num_samples);
                    object.plain("expired", block.is_expired);
                });
            });
        });
    });
}
