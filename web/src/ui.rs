//! The page that runs a query and draws it, and that of an agent, embedded. Sources in `web/ui/`.

use crate::Options;
use crate::body::Body;
use crate::response::{Answer, bare, set};
use http::{StatusCode, header};

const PAGE: &str = include_str!("../ui/query.html");
const AGENT_PAGE: &str = include_str!("../ui/agent.html");
const SCRIPT: &str = include_str!("../ui/query.js");
const STYLE: &str = include_str!("../ui/query.css");

/// A file beside the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asset {
    Script,
    Style,
}

impl Asset {
    /// The asset of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        match name {
            "query.js" => Some(Self::Script),
            "query.css" => Some(Self::Style),
            _ => None,
        }
    }
}

/// The page: of a server, or of an agent. `consoles` is the path of those there are.
pub(crate) fn page(options: &Options, consoles: Option<&str>) -> Answer {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let title = escaped(&options.page_title);
    let link = |path: &str| {
        let path = escaped(path).replace('"', "&#34;");
        format!("<p><a href=\"{path}\">Consoles</a></p>\n")
    };
    let page = if options.agent { AGENT_PAGE } else { PAGE };
    let page = page.replace("CONSOLES_PLACEHOLDER", &consoles.map(link).unwrap_or_default());
    let mut answer = bare(StatusCode::OK, Body::full(page.replace("TITLE_PLACEHOLDER", &title)));
    set(&mut answer, header::CONTENT_TYPE, "text/html; charset=utf-8");
    answer
}

/// What the page loads.
pub(crate) fn asset(asset: Asset) -> Answer {
    let (text, content_type) = match asset {
        Asset::Script => (SCRIPT, "text/javascript; charset=utf-8"),
        Asset::Style => (STYLE, "text/css; charset=utf-8"),
    };
    let mut answer = bare(StatusCode::OK, Body::full(text));
    set(&mut answer, header::CONTENT_TYPE, content_type);
    answer
}
