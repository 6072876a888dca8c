//! One Rust file as tidy sees it: a list of tokens, and for each line what stands on it.
//!
//! No parser: the checks ask "which word follows which" and "what does the comment above say", and for that a
//! lexer of a hundred lines is enough. It must be right about one thing, where code ends and text begins, so
//! that the word `unsafe` in a comment or a string is never taken for the keyword.
//!
//! - **T1** Every token knows its line, whether it belongs to an attribute, and whether it is test code.
//! - **T2** Text between quotes is one token that begins with `"`; comments are no tokens, they belong to lines.
//! - **T3** Lines count from 1, as editors do; `lines[0]` is empty.

use std::ops::Range;

/// A word, a number, a quoted string, `::`, or one punctuation mark.
#[derive(Debug)]
pub(crate) struct Token {
    /// As written; a string keeps its quotes, a raw identifier loses its `r#`.
    pub(crate) text: String,
    /// Where it begins.
    pub(crate) line: usize,
    /// It is part of `#[...]` or `#![...]`.
    pub(crate) attribute: bool,
    /// It belongs to an item marked `#[cfg(test)]`, or to a file that is a test module.
    pub(crate) test: bool,
}

/// What stands on one line.
#[derive(Debug, Default, Clone)]
pub(crate) struct Line {
    /// Some token, or a part of a string, stands here.
    pub(crate) code: bool,
    /// Some of it is not an attribute.
    pub(crate) plain: bool,
    /// The comments on this line, doc comments included, with their slashes.
    pub(crate) comment: String,
    /// Part of an item marked `#[cfg(test)]`.
    pub(crate) test: bool,
}

/// A file: its path below the crate's root, its tokens and its lines.
#[derive(Debug)]
pub(crate) struct Source {
    /// With forward slashes, as `src/base/rng.rs`.
    pub(crate) path: String,
    /// In the order of the file.
    pub(crate) tokens: Vec<Token>,
    /// `lines[n]` is line n.
    pub(crate) lines: Vec<Line>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let lines = vec![Line::default(); text.lines().count() + 2];
        let mut lexer = Lexer { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new(), lines };
        lexer.run();
        let mut source = Self { path: path.to_owned(), tokens: lexer.tokens, lines: lexer.lines };
        let attributes = source.mark_attributes();
        source.mark_tests(&attributes);
        source
    }

    /// `file:line: what to do`, the form that editors jump to.
    pub(crate) fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// The text of a token, or nothing past either end of the file.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// Whether these tokens stand at `index`.
    pub(crate) fn reads(&self, index: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| self.text(index + offset) == *word)
    }

    /// The index of the bracket that closes the one at `open`.
    pub(crate) fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return index;
            }
        }
        self.tokens.len().saturating_sub(1)
    }

    /// First and last line of the statement, match arm list or item around a token. It begins after the nearest
    /// `;`, `{` or finished block before it, and ends at the nearest `;`, `{` or `}` after it.
    pub(crate) fn statement(&self, index: usize) -> (usize, usize) {
        let (mut first, mut depth) = (index, 0_usize);
        while first > 0 {
            match self.text(first - 1) {
                "}" if depth == 0 && !matches!(self.text(first), "." | "?" | "," | ")" | "else") => break,
                // The braces of a struct literal belong to the statement: a block never begins with `name:`.
                "{" if depth == 0 && self.text(first + 1) != ":" => break,
                ";" if depth == 0 => break,
                ")" | "]" | "}" => depth += 1,
                "(" | "[" | "{" => depth = depth.saturating_sub(1),
                _ => {}
            }
            first -= 1;
        }
        (self.tokens[first].line, self.tokens[self.statement_end(index)].line)
    }

    fn statement_end(&self, index: usize) -> usize {
        let (mut last, mut depth) = (index, 0_usize);
        while last + 1 < self.tokens.len() {
            match self.text(last) {
                ";" | "{" | "}" if depth == 0 => break,
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            last += 1;
        }
        last
    }

    /// Whether a comment on these lines, or on the comment and attribute lines directly above them, says `word`.
    pub(crate) fn notes(&self, lines: Range<usize>, word: &str) -> bool {
        let mut first = lines.start;
        while first > 1 && self.is_note_line(first - 1) {
            first -= 1;
        }
        self.lines[first..lines.end].iter().any(|line| line.comment.contains(word))
    }

    /// A line that holds comments or attributes and nothing else.
    fn is_note_line(&self, line: usize) -> bool {
        let line = &self.lines[line];
        !line.plain && (line.code || !line.comment.is_empty())
    }

    /// Marks the tokens of attributes and returns where each attribute stands.
    fn mark_attributes(&mut self) -> Vec<Range<usize>> {
        let (mut found, mut index) = (Vec::new(), 0);
        while index < self.tokens.len() {
            let open = if self.reads(index, &["#", "!", "["]) { index + 2 } else { index + 1 };
            if self.text(index) != "#" || self.text(open) != "[" {
                index += 1;
                continue;
            }
            let end = self.closing(open) + 1;
            self.tokens[index..end].iter_mut().for_each(|token| token.attribute = true);
            found.push(index..end);
            index = end;
        }
        for token in self.tokens.iter().filter(|token| !token.attribute) {
            let last = token.line + token.text.matches('\n').count();
            self.lines[token.line..=last].iter_mut().for_each(|line| line.plain = true);
        }
        found
    }

    /// Marks what `#[cfg(test)]` and `#![cfg(test)]` stand for.
    fn mark_tests(&mut self, attributes: &[Range<usize>]) {
        for attribute in attributes {
            let text: String = self.tokens[attribute.clone()].iter().map(|token| token.text.as_str()).collect();
            if text == "#![cfg(test)]" {
                self.mark_test(0..self.tokens.len());
            } else if text == "#[cfg(test)]" || text.starts_with("#[cfg(all(test,") {
                self.mark_test(attribute.start..self.item_end(attribute.end));
            }
        }
    }

    /// Declares these tokens and their lines to be test code.
    pub(crate) fn mark_test(&mut self, tokens: Range<usize>) {
        let Some(last) = tokens.end.checked_sub(1).and_then(|last| self.tokens.get(last)) else { return };
        let lines = self.tokens[tokens.start].line..last.line + 1;
        self.lines[lines].iter_mut().for_each(|line| line.test = true);
        self.tokens[tokens].iter_mut().for_each(|token| token.test = true);
    }

    /// Past the last token of the item, statement or field that begins at `index` (attributes may come first).
    fn item_end(&self, mut index: usize) -> usize {
        while self.text(index) == "#" {
            index = self.closing(index + 1) + 1;
        }
        // A field or an arm ends at a comma; in an item a comma only parts generics.
        let is_field = self.text(index + 1) == ":" || self.text(index + 3) == ":" && self.text(index) == "pub";
        while index < self.tokens.len() {
            match self.text(index) {
                "," if is_field => return index + 1,
                ";" => return index + 1,
                "{" => return self.closing(index) + 1,
                "}" => return index,
                "(" | "[" => index = self.closing(index) + 1,
                _ => index += 1,
            }
        }
        index
    }
}

/// Reads characters, gives tokens and comments.
struct Lexer {
    /// The whole file.
    chars: Vec<char>,
    /// The next character to read.
    at: usize,
    /// The line it stands on.
    line: usize,
    /// What was read so far.
    tokens: Vec<Token>,
    /// One more than the file has, so that the end has a line too.
    lines: Vec<Line>,
}

impl Lexer {
    fn run(&mut self) {
        while let Some(next) = self.peek(0) {
            match (next, self.peek(1)) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('\'', _) => self.quote(),
                (':', Some(':')) => self.push(2),
                (next, _) if is_word(next) => self.word(),
                (next, _) if next.is_whitespace() => self.bump(),
                _ => self.push(1),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    /// Takes the next `length` characters as one token.
    fn push(&mut self, length: usize) {
        let end = (self.at + length).min(self.chars.len());
        let text = self.chars[self.at..end].iter().collect();
        self.tokens.push(Token { text, line: self.line, attribute: false, test: false });
        while self.at < end {
            // A string may run over many lines, and each of them is a line of code.
            self.lines[self.line].code = true;
            self.bump();
        }
    }

    fn line_comment(&mut self) {
        while let Some(next) = self.peek(0).filter(|next| *next != '\n') {
            self.lines[self.line].comment.push(next);
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(next) = self.peek(0) {
            let pair = (next, self.peek(1));
            depth = match pair {
                ('/', Some('*')) => depth + 1,
                ('*', Some('/')) => depth - 1,
                _ => depth,
            };
            for _ in 0..if matches!(pair, ('/', Some('*')) | ('*', Some('/'))) { 2 } else { 1 } {
                let text = self.peek(0).filter(|next| *next != '\n');
                self.lines[self.line].comment.extend(text);
                self.bump();
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let mut length = 1;
        while let Some(next) = self.peek(length).filter(|next| *next != '"') {
            length += if next == '\\' { 2 } else { 1 };
        }
        self.push(length + 1);
    }

    /// `r##"..."##`, from its `r`, whose prefix is `prefix` characters long, the quote included.
    fn raw_string(&mut self, prefix: usize, hashes: usize) {
        let closes = |at: usize| (1..=hashes).all(|n| self.chars.get(at + n) == Some(&'#'));
        let mut end = self.at + prefix;
        while end < self.chars.len() && !(self.chars[end] == '"' && closes(end)) {
            end += 1;
        }
        self.push(end + 1 + hashes - self.at);
        let text = &mut self.tokens.last_mut().expect("just pushed").text;
        *text = text[prefix - 1..text.len() - hashes].to_owned();
    }

    /// A character such as `'x'` or `'\n'`, or a lifetime such as `'a`.
    fn quote(&mut self) {
        let mut length = 1;
        if self.peek(1) == Some('\\') {
            length = 3;
            while self.peek(length).is_some_and(|next| next != '\'') {
                length += 1;
            }
            length += 1;
        } else if self.peek(2) == Some('\'') {
            length = 3;
        } else {
            while self.peek(length).is_some_and(is_word) {
                length += 1;
            }
        }
        self.push(length);
    }

    fn word(&mut self) {
        let length = self.chars[self.at..].iter().take_while(|next| is_word(**next)).count();
        let word: String = self.chars[self.at..self.at + length].iter().collect();
        let hashes = self.chars[self.at + length..].iter().take_while(|next| **next == '#').count();
        let is_raw = matches!(word.as_str(), "r" | "br" | "cr");
        if is_raw && self.peek(length + hashes) == Some('"') {
            return self.raw_string(length + hashes + 1, hashes);
        }
        if word == "r" && hashes == 1 && self.peek(2).is_some_and(is_word) {
            self.at += 2;
            return self.word();
        }
        self.push(length);
    }
}

fn is_word(next: char) -> bool {
    next == '_' || next.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Source::new("src/a.rs", text).tokens.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn text_is_never_taken_for_code() {
        for quiet in [
            "// unsafe",
            "/* unsafe /* unsafe */ unsafe */",
            "\"unsafe\"",
            "\"\\\" unsafe\"",
            "r#\"a \" unsafe\"#",
            "b\"unsafe\"",
            "\"a\nunsafe\"",
        ] {
            assert!(!words(quiet).contains(&"unsafe".to_owned()), "{quiet}");
        }
        for loud in ["'\"' unsafe '\"'", "'\\'' unsafe", "'a unsafe", "r\"\\\" unsafe", "/* */ unsafe", "r#unsafe"] {
            assert!(words(loud).contains(&"unsafe".to_owned()), "{loud}");
        }
        assert_eq!(words("r##\"a\"# b\"##;"), ["\"a\"# b\"", ";"]);
    }

    #[test]
    fn every_line_knows_whether_it_is_code_comment_or_test() {
        let text = "//! a\n\nfn b() {} // c\nlet s = \"x\ny\";\n#[cfg(test)]\nmod tests {\n  fn d() {}\n}\nfn e() {}\n";
        let source = Source::new("src/a.rs", text);
        let code = |line: &Line| line.code && !line.test;
        let count = source.lines.iter().filter(|line| code(line)).count();
        assert_eq!(count, 4, "b, both lines of the string, and e");
        assert_eq!(source.lines[3].comment, "// c");
        assert!(source.lines[5].plain && !source.lines[6].plain, "a string is plain code, an attribute is not");
        assert!(source.lines[6..=9].iter().all(|line| line.test) && !source.lines[10].test);
    }

    #[test]
    fn test_code_ends_where_its_item_ends() {
        for (text, word, test) in [
            ("#[cfg(test)] use a::b; c", "c", false),
            ("#[cfg(test)] #[derive(X)] fn f<A, B>(x: [u8; 2]) { b } c", "b", true),
            ("struct S { #[cfg(test)] b: u8, c: u8 }", "b", true),
            ("struct S { #[cfg(test)] b: u8, c: u8 }", "c", false),
            ("#[cfg(all(test, not(loom)))] mod m { b }", "b", true),
            ("#[cfg(not(test))] fn b() {}", "b", false),
            ("#![cfg(test)] fn b() {}", "b", true),
        ] {
            let source = Source::new("src/a.rs", text);
            let token = source.tokens.iter().rfind(|token| token.text == word).expect("the word is there");
            assert_eq!(token.test, test, "{text}");
        }
    }
}
