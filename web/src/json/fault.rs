//! What is wrong with a text that is no JSON, in the words of Go, which clients of Prometheus see. Reads no values.

const END: &str = "unexpected end of JSON input";

/// Why `text` is no JSON; `None` if it is.
pub(crate) fn fault(text: &[u8]) -> Option<String> {
    Scanner { text, at: 0 }.document().err()
}

type Result<T> = std::result::Result<T, String>;

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<()> {
        // The brackets that are open.
        let mut open = Vec::new();
        loop {
            let begins = match self.seek()? {
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    let is_empty = self.seek()? == bracket + 2;
                    if is_empty {
                        self.at += 1;
                    } else {
                        if bracket == b'{' {
                            self.key()?;
                        }
                        open.push(bracket);
                    }
                    !is_empty
                }
                _ => {
                    self.scalar()?;
                    false
                }
            };
            if !begins && self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// What stands behind a value, up to where the next one begins. Returns whether there is none.
    fn close(&mut self, open: &mut Vec<u8>) -> Result<bool> {
        while let Some(&bracket) = open.last() {
            match (self.seek()?, bracket) {
                (b',', b'{') => {
                    self.at += 1;
                    self.key()?;
                    return Ok(false);
                }
                (b',', _) => {
                    self.at += 1;
                    return Ok(false);
                }
                (byte, _) if byte == bracket + 2 => {
                    self.at += 1;
                    open.pop();
                }
                (byte, b'{') => return Err(invalid(byte, "after object key:value pair")),
                (byte, _) => return Err(invalid(byte, "after array element")),
            }
        }
        self.seek().map_or(Ok(true), |byte| Err(invalid(byte, "after top-level value")))
    }

    fn key(&mut self) -> Result<()> {
        match self.seek()? {
            b'"' => self.string()?,
            byte => return Err(invalid(byte, "looking for beginning of object key string")),
        }
        match self.seek()? {
            b':' => self.at += 1,
            byte => return Err(invalid(byte, "after object key")),
        }
        Ok(())
    }

    fn scalar(&mut self) -> Result<()> {
        match self.seek()? {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            byte => Err(invalid(byte, "looking for beginning of value")),
        }
    }

    /// The next byte that is no blank.
    fn seek(&mut self) -> Result<u8> {
        while let Some(&byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(END.to_owned())
    }

    /// The byte here; a blank at the end, which nothing but a blank may stand for.
    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(b' ')
    }

    fn string(&mut self) -> Result<()> {
        self.at += 1;
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                ..0x20 => return Err(invalid(byte, "in string literal")),
                _ => self.at += 1,
            }
        }
        Err(END.to_owned())
    }

    fn escape(&mut self) -> Result<()> {
        self.at += 1;
        let byte = self.byte();
        if !matches!(byte, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u') {
            return Err(invalid(byte, "in string escape code"));
        }
        self.at += 1;
        for _ in 0..if byte == b'u' { 4 } else { 0 } {
            if !self.byte().is_ascii_hexdigit() {
                return Err(invalid(self.byte(), r"in \u hexadecimal character escape"));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        if self.byte() == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self, place: &str) -> Result<()> {
        if !self.byte().is_ascii_digit() {
            return Err(invalid(self.byte(), place));
        }
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<()> {
        for expected in word.bytes() {
            if self.byte() != expected {
                let place = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(invalid(self.byte(), &place));
            }
            self.at += 1;
        }
        Ok(())
    }
}

fn invalid(byte: u8, place: &str) -> String {
    let shown = match byte {
        b'\'' => r"\'".to_owned(),
        b'"' => "\"".to_owned(),
        b'\\' => r"\\".to_owned(),
        0x07 => r"\a".to_owned(),
        0x08 => r"\b".to_owned(),
        b'\t' => r"\t".to_owned(),
        b'\n' => r"\n".to_owned(),
        0x0b => r"\v".to_owned(),
        0x0c => r"\f".to_owned(),
        b'\r' => r"\r".to_owned(),
        ..0x20 | 0x7f => format!(r"\x{byte:02x}"),
        0x80..=0xa0 | 0xad => format!(r"\u{byte:04x}"),
        // Go takes the byte for a character.
        _ => char::from(byte).to_string(),
    };
    format!("invalid character '{shown}' {place}")
}

#[cfg(test)]
mod tests;
