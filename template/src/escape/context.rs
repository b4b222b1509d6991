//! Where in a page one is: in which language, between which delimiters, in which attribute of which element.

use std::fmt;

/// The language, and where in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Text,
    Tag,
    AttrName,
    AfterName,
    BeforeValue,
    HtmlComment,
    /// Text without elements: titles and text areas.
    TextOnly,
    Attr,
    Url,
    Srcset,
    Js,
    JsDouble,
    JsSingle,
    JsTemplate,
    JsRegexp,
    JsBlockComment,
    JsLineComment,
    /// A line behind `<!--`.
    JsOpenComment,
    /// A line behind `-->`.
    JsCloseComment,
    Css,
    CssDouble,
    CssSingle,
    CssDoubleUrl,
    CssSingleUrl,
    CssUrl,
    CssBlockComment,
    CssLineComment,
    /// Behind `break` or `continue`: what follows is never reached.
    Dead,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "stateText",
            Self::Tag => "stateTag",
            Self::AttrName => "stateAttrName",
            Self::AfterName => "stateAfterName",
            Self::BeforeValue => "stateBeforeValue",
            Self::HtmlComment => "stateHTMLCmt",
            Self::TextOnly => "stateRCDATA",
            Self::Attr => "stateAttr",
            Self::Url => "stateURL",
            Self::Srcset => "stateSrcset",
            Self::Js => "stateJS",
            Self::JsDouble => "stateJSDqStr",
            Self::JsSingle => "stateJSSqStr",
            Self::JsTemplate => "stateJSTmplLit",
            Self::JsRegexp => "stateJSRegexp",
            Self::JsBlockComment => "stateJSBlockCmt",
            Self::JsLineComment => "stateJSLineCmt",
            Self::JsOpenComment => "stateJSHTMLOpenCmt",
            Self::JsCloseComment => "stateJSHTMLCloseCmt",
            Self::Css => "stateCSS",
            Self::CssDouble => "stateCSSDqStr",
            Self::CssSingle => "stateCSSSqStr",
            Self::CssDoubleUrl => "stateCSSDqURL",
            Self::CssSingleUrl => "stateCSSSqURL",
            Self::CssUrl => "stateCSSURL",
            Self::CssBlockComment => "stateCSSBlockCmt",
            Self::CssLineComment => "stateCSSLineCmt",
            Self::Dead => "stateDead",
        }
    }

    /// Whether it is left out of the page.
    pub(super) fn is_comment(self) -> bool {
        matches!(
            self,
            Self::HtmlComment
                | Self::JsBlockComment
                | Self::JsLineComment
                | Self::JsOpenComment
                | Self::JsCloseComment
                | Self::CssBlockComment
                | Self::CssLineComment
        )
    }

    /// Whether it is inside of a tag.
    pub(super) fn is_tag(self) -> bool {
        matches!(
            self,
            Self::Tag | Self::AttrName | Self::AfterName | Self::BeforeValue | Self::Attr
        )
    }

    /// Whether it is a literal of a script, in which tags have to be hidden.
    pub(super) fn is_script_literal(self) -> bool {
        matches!(self, Self::JsDouble | Self::JsSingle | Self::JsTemplate | Self::JsRegexp)
    }
}

/// What ends an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Delim {
    #[default]
    None,
    Double,
    Single,
    /// A space or the end of the tag.
    Space,
}

impl Delim {
    fn name(self) -> &'static str {
        match self {
            Self::None => "delimNone",
            Self::Double => "delimDoubleQuote",
            Self::Single => "delimSingleQuote",
            Self::Space => "delimSpaceOrTagEnd",
        }
    }
}

/// Where in an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UrlPart {
    #[default]
    None,
    BeforeQuery,
    Query,
    /// Different branches ended in different parts.
    Unknown,
}

impl UrlPart {
    fn name(self) -> &'static str {
        match self {
            Self::None => "urlPartNone",
            Self::BeforeQuery => "urlPartPreQuery",
            Self::Query => "urlPartQueryOrFrag",
            Self::Unknown => "urlPartUnknown",
        }
    }
}

/// What a slash in a script begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Slash {
    #[default]
    Regexp,
    Division,
    Unknown,
}

impl Slash {
    fn name(self) -> &'static str {
        match self {
            Self::Regexp => "jsCtxRegexp",
            Self::Division => "jsCtxDivOp",
            Self::Unknown => "jsCtxUnknown",
        }
    }
}

/// What kind of attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Attr {
    #[default]
    None,
    Script,
    ScriptType,
    Style,
    Url,
    Srcset,
}

impl Attr {
    fn name(self) -> &'static str {
        match self {
            Self::None => "attrNone",
            Self::Script => "attrScript",
            Self::ScriptType => "attrScriptType",
            Self::Style => "attrStyle",
            Self::Url => "attrURL",
            Self::Srcset => "attrSrcset",
        }
    }

    /// Where its value begins.
    pub(super) fn start(self) -> State {
        match self {
            Self::None | Self::ScriptType => State::Attr,
            Self::Script => State::Js,
            Self::Style => State::Css,
            Self::Url => State::Url,
            Self::Srcset => State::Srcset,
        }
    }
}

/// Elements whose content is not HTML.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Element {
    #[default]
    None,
    Script,
    Style,
    TextArea,
    Title,
}

impl Element {
    fn name(self) -> &'static str {
        match self {
            Self::None => "elementNone",
            Self::Script => "elementScript",
            Self::Style => "elementStyle",
            Self::TextArea => "elementTextarea",
            Self::Title => "elementTitle",
        }
    }

    /// Its name in pages.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Script => "script",
            Self::Style => "style",
            Self::TextArea => "textarea",
            Self::Title => "title",
        }
    }

    /// The element of a tag.
    pub(super) fn of(tag: &str) -> Self {
        let all = [Self::Script, Self::Style, Self::TextArea, Self::Title];
        all.into_iter().find(|e| e.tag().eq_ignore_ascii_case(tag)).unwrap_or_default()
    }

    /// What its content is.
    pub(super) fn content(self) -> State {
        match self {
            Self::None => State::Text,
            Self::Script => State::Js,
            Self::Style => State::Css,
            Self::TextArea | Self::Title => State::TextOnly,
        }
    }
}

/// A place in a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) state: State,
    pub(super) delim: Delim,
    pub(super) url_part: UrlPart,
    pub(super) slash: Slash,
    /// Open braces in each template literal of a script that one is inside of.
    pub(super) braces: Vec<u32>,
    pub(super) attr: Attr,
    pub(super) element: Element,
}

impl fmt::Display for Context {
    /// As error texts of Go show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let braces: Vec<String> = self.braces.iter().map(ToString::to_string).collect();
        write!(
            f,
            "{{{} {} {} {} [{}] {} {} <nil>}}",
            self.state.name(),
            self.delim.name(),
            self.url_part.name(),
            self.slash.name(),
            braces.join(" "),
            self.attr.name(),
            self.element.name()
        )
    }
}

impl Context {
    pub(super) fn at(state: State) -> Self {
        Self { state, ..Self::default() }
    }

    /// Behind an attribute, or in front of the first one.
    pub(super) fn in_tag(element: Element) -> Self {
        Self { state: State::Tag, element, ..Self::default() }
    }

    /// The name of a template that begins here: its own in text, else one that tells where it is used.
    pub(super) fn mangled(&self, name: &str) -> String {
        if self.state == State::Text {
            return name.to_owned();
        }
        let mut out = format!("{name}$htmltemplate_{}", self.state.name());
        let base = Self::default();
        let mut add = |differs: bool, part: &str| {
            if differs {
                out.push('_');
                out.push_str(part);
            }
        };
        add(self.delim != base.delim, self.delim.name());
        add(self.url_part != base.url_part, self.url_part.name());
        add(self.slash != base.slash, self.slash.name());
        add(!self.braces.is_empty(), &format!("jsBraceDepth({:?})", self.braces));
        add(self.attr != base.attr, self.attr.name());
        add(self.element != base.element, self.element.name());
        out
    }

    /// Where a value stands that comes next: in a tag it is a name, behind `=` a value without quotes.
    pub(super) fn nudged(&self) -> Self {
        let mut context = self.clone();
        match self.state {
            State::Tag => context.state = State::AttrName,
            State::BeforeValue => {
                context.state = self.attr.start();
                (context.delim, context.attr) = (Delim::Space, Attr::None);
            }
            State::AfterName => (context.state, context.attr) = (State::AttrName, Attr::None),
            _ => {}
        }
        context
    }

    /// Where two branches meet; `None` if they ended in places that have nothing in common.
    pub(super) fn joined(&self, other: &Self) -> Option<Self> {
        if self.state == State::Dead || self == other {
            return Some(other.clone());
        }
        if other.state == State::Dead {
            return Some(self.clone());
        }
        let but_part = Self { url_part: other.url_part, ..self.clone() };
        if but_part == *other {
            return Some(Self { url_part: UrlPart::Unknown, ..but_part });
        }
        let but_slash = Self { slash: other.slash, ..self.clone() };
        if but_slash == *other {
            return Some(Self { slash: Slash::Unknown, ..but_slash });
        }
        let (left, right) = (self.nudged(), other.nudged());
        if left == *self && right == *other { None } else { left.joined(&right) }
    }
}
