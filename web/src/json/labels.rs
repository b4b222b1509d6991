//! Label sets of ids as JSON objects: each distinct text is escaped once a query.

use super::push_text;
use model::{LabelPair, Sym, Symbols};

/// The escaped texts of one table of symbols.
#[derive(Debug)]
pub struct LabelTexts<'a> {
    symbols: &'a Symbols,
    /// Begin and end in the arena by id; an empty span is not escaped yet, for quotes are never empty.
    spans: Vec<(u32, u32)>,
    arena: Vec<u8>,
}

impl<'a> LabelTexts<'a> {
    /// No text escaped yet.
    #[must_use]
    pub fn new(symbols: &'a Symbols) -> Self {
        Self { symbols, spans: Vec::new(), arena: Vec::new() }
    }

    /// Appends the object of a label set, in its order.
    pub fn push(&mut self, out: &mut Vec<u8>, pairs: &[LabelPair]) {
        out.push(b'{');
        for (index, pair) in pairs.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.push_symbol(out, pair.name);
            out.push(b':');
            self.push_symbol(out, pair.value);
        }
        out.push(b'}');
    }

    fn push_symbol(&mut self, out: &mut Vec<u8>, symbol: Sym) {
        let index = symbol.0 as usize;
        let span = self.spans.get(index).copied().filter(|span| span.1 > 0);
        let (begin, end) = span.unwrap_or_else(|| self.escape(symbol));
        out.extend_from_slice(&self.arena[begin as usize..end as usize]);
    }

    #[cold]
    fn escape(&mut self, symbol: Sym) -> (u32, u32) {
        let index = symbol.0 as usize;
        if self.spans.len() <= index {
            self.spans.resize(self.symbols.len().max(index + 1), (0, 0));
        }
        let begin = self.arena.len() as u32;
        push_text(&mut self.arena, self.symbols.text(symbol));
        let end = u32::try_from(self.arena.len()).expect("distinct label texts are below 4 GiB");
        self.spans[index] = (begin, end);
        (begin, end)
    }
}
