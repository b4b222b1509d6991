//! Escaping of pages by context: each action of a page is told what its value goes through, by the HTML around it.
//! Reading order: `context` (where in a page one is), `transition` (how text moves on), `tree` (templates), then what
//! each language needs.

mod attribute;
mod context;
mod html;
mod script;
mod style;
mod transition;
mod tree;
mod url;

use crate::node::{Tree, Trees};
use crate::print;
use crate::value::Value;
use model::hash::HashMap;
use std::sync::Arc;

/// What a value goes through on its way into a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaper {
    /// Into text.
    Html,
    /// Into an attribute between quotes.
    Attribute,
    /// Into an attribute without quotes.
    Unquoted,
    /// As the name of an attribute.
    AttributeName,
    /// Into a title or a text area.
    TextOnly,
    /// Into a comment: nothing is shown.
    Comment,
    /// Into a quoted text of a style.
    Css,
    /// As a value of a style.
    CssValue,
    /// As a value of a script.
    JsValue,
    /// Into a quoted text of a script.
    JsText,
    /// Into a template literal of a script.
    JsTemplate,
    /// Into a regular expression of a script.
    JsRegexp,
    /// Into a list of pictures.
    Srcset,
    /// Into a query of an address.
    UrlPart,
    /// As an address: other schemes than those of pages and mail are refused.
    UrlScheme,
    /// As an address or the beginning of one.
    UrlWhole,
    /// The function `html` at the end of a pipeline.
    HtmlFunction,
    /// The function `urlquery` at the end of a pipeline.
    QueryFunction,
}

impl Escaper {
    /// What it is called in error texts that cite a pipeline.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Html => "_html_template_htmlescaper",
            Self::Attribute => "_html_template_attrescaper",
            Self::Unquoted => "_html_template_nospaceescaper",
            Self::AttributeName => "_html_template_htmlnamefilter",
            Self::TextOnly => "_html_template_rcdataescaper",
            Self::Comment => "_html_template_commentescaper",
            Self::Css => "_html_template_cssescaper",
            Self::CssValue => "_html_template_cssvaluefilter",
            Self::JsValue => "_html_template_jsvalescaper",
            Self::JsText => "_html_template_jsstrescaper",
            Self::JsTemplate => "_html_template_jstmpllitescaper",
            Self::JsRegexp => "_html_template_jsregexpescaper",
            Self::Srcset => "_html_template_srcsetescaper",
            Self::UrlPart => "_html_template_urlescaper",
            Self::UrlScheme => "_html_template_urlfilter",
            Self::UrlWhole => "_html_template_urlnormalizer",
            Self::HtmlFunction => "html",
            Self::QueryFunction => "urlquery",
        }
    }
}

/// What stands where a value must not.
const REFUSED: &str = "ZgotmplZ";

/// A template as a page shows it, or why it cannot be one.
#[derive(Debug)]
pub(crate) enum Escaped {
    Tree(Arc<Tree>),
    Refused(Box<str>),
}

/// The templates of a page by name, as `tmpl` finds them.
pub(crate) type Page = HashMap<String, Escaped>;

/// Escapes all templates of a page. The trees come with those that were made for contexts other than text.
pub(crate) fn escape(trees: &Trees) -> (Trees, Page) {
    tree::escape(trees)
}

/// Sends a value through escapers.
pub(crate) fn apply(escapers: &[Escaper], value: &Value) -> Result<String, String> {
    let mut value = value.clone();
    for escaper in escapers {
        let made = one(*escaper, &value)?;
        if made.len() > print::MAX_BYTES {
            return Err(print::TOO_LARGE.to_owned());
        }
        value = Value::text(made);
    }
    match value {
        Value::Text(text) => Ok(text.as_ref().to_owned()),
        other => print::shown(&other),
    }
}

fn one(escaper: Escaper, value: &Value) -> Result<String, String> {
    if escaper == Escaper::JsValue {
        return Ok(script::value(value));
    }
    let (text, is_html) = match value {
        Value::Nil => (String::new(), false),
        Value::Text(text) => (text.as_ref().to_owned(), false),
        Value::Html(text) => (text.as_ref().to_owned(), true),
        other => (print::shown(other)?, false),
    };
    Ok(match escaper {
        Escaper::Html if is_html => text,
        Escaper::Html => html::text(&text),
        Escaper::Attribute if is_html => html::known(&html::without_tags(&text)),
        Escaper::Attribute => html::text(&text),
        Escaper::Unquoted => html::unquoted(&text, is_html),
        Escaper::AttributeName => html::attribute_name(&text),
        Escaper::TextOnly if is_html => html::known(&text),
        Escaper::TextOnly => html::text(&text),
        Escaper::Comment => String::new(),
        Escaper::Css => style::text(&text),
        Escaper::CssValue => style::value(&text),
        Escaper::JsText => script::text(&text),
        Escaper::JsTemplate => script::template(&text),
        Escaper::JsRegexp => script::regexp(&text),
        Escaper::Srcset => url::srcset(&text),
        Escaper::UrlPart => url::escape(&text, false),
        Escaper::UrlScheme => url::checked(&text),
        Escaper::UrlWhole => url::escape(&text, true),
        Escaper::HtmlFunction => html::plain(&text),
        Escaper::QueryFunction => crate::functions::query_escape(&text),
        Escaper::JsValue => unreachable!("answered above"),
    })
}

#[cfg(test)]
mod tests;
