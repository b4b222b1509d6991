//! What attributes hold, by their names: texts, addresses, scripts, styles, or what decides about other content.

use super::context::Attr;

/// What a value of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Plain,
    Url,
    Srcset,
    Script,
    Style,
    /// HTML, or what decides how other content is read or sent.
    Unsafe,
}

const URLS: &[&str] = &[
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "codebase",
    "data",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "poster",
    "profile",
    "src",
    "usemap",
    "xmlns",
];

const UNSAFE: &[&str] = &[
    "accept-charset",
    "async",
    "challenge",
    "charset",
    "content",
    "crossorigin",
    "defer",
    "enctype",
    "form",
    "formenctype",
    "formmethod",
    "formnovalidate",
    "http-equiv",
    "keytype",
    "language",
    "method",
    "novalidate",
    "pattern",
    "rel",
    "sandbox",
    "srcdoc",
    "type",
    "value",
];

/// Names that look like something else and are plain.
const PLAIN: &[&str] = &["srclang"];

/// What the attribute of this name, in lower case, holds: rather too much than too little.
pub(super) fn content(name: &str) -> Content {
    let mut name = name;
    if let Some(own) = name.strip_prefix("data-") {
        name = own;
    } else if let Some((space, local)) = name.split_once(':') {
        if space == "xmlns" {
            return Content::Url;
        }
        name = local;
    }
    match name {
        "style" => Content::Style,
        "srcset" => Content::Srcset,
        _ if URLS.contains(&name) => Content::Url,
        _ if UNSAFE.contains(&name) => Content::Unsafe,
        _ if PLAIN.contains(&name) => Content::Plain,
        _ if name.starts_with("on") => Content::Script,
        _ if ["src", "uri", "url"].iter().any(|part| name.contains(part)) => Content::Url,
        _ => Content::Plain,
    }
}

/// The kind of the attribute of this name, in lower case.
pub(super) fn kind(name: &str) -> Attr {
    match content(name) {
        Content::Url => Attr::Url,
        Content::Srcset => Attr::Srcset,
        Content::Script => Attr::Script,
        Content::Style => Attr::Style,
        Content::Plain | Content::Unsafe => Attr::None,
    }
}
