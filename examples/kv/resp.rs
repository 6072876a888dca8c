//! RESP2, the protocol Redis speaks: commands in, replies out. No socket in sight, so all of it is tested below.
//!
//! A command is an array of strings, `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, or, for people at a terminal, a plain
//! line, `GET k`. Clients send many commands without waiting (pipelining), and a command may arrive in any
//! number of pieces. So the parser is resumable: it remembers where it stopped and never looks at a byte twice,
//! or a client that sends a long command byte by byte could keep a worker busy for ever.
//!
//! - **R1** Positions are relative to the start of the command, so the caller may move the buffer's content.
//! - **R2** Nothing is allocated on the word of a client: a length it announces is a limit to check, no more.

use std::ops::Range;

/// The longest string a command may carry. Redis allows 512 MiB; an example need not.
pub(crate) const BULK_MAX: usize = 16 << 20;
/// The longest command in all, and so the most that one connection can make us hold.
pub(crate) const COMMAND_MAX: usize = 64 << 20;
/// The most strings in a command, as in Redis.
const ARGUMENTS_MAX: usize = 1 << 20;
/// The longest inline command, as in Redis.
const INLINE_MAX: usize = 64 << 10;
/// The longest line that announces a length: `$`, a number, and some slack for leading zeros.
const LENGTH_LINE_MAX: usize = 32;

/// What a client said that is not RESP. It gets this text, and the connection is closed: what follows in the
/// stream cannot be understood either.
#[derive(Debug, PartialEq)]
pub(crate) struct ProtocolError(pub(crate) &'static str);

/// Finds the commands in a stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The arguments of the command being read.
    arguments: Vec<Range<usize>>,
    /// How many more there will be; 0 while no command was begun.
    missing: usize,
    /// How far we have read.
    at: usize,
    /// How far we have looked for the end of the line that begins at `at`.
    searched: usize,
}

impl Parser {
    /// Looks for a whole command at the front of `input`, and returns its length. `None`: call again when there
    /// is more, with the same bytes in front. Quoted inline arguments are unescaped in place.
    pub(crate) fn next(&mut self, input: &mut [u8]) -> Result<Option<usize>, ProtocolError> {
        if self.missing == 0 {
            self.arguments.clear();
            match input.first() {
                None => return Ok(None),
                Some(b'*') => {
                    let Some(count) = self.length_line(input, "Protocol error: invalid multibulk length")? else {
                        return Ok(None);
                    };
                    // A missing array is an empty one; neither gets an answer.
                    self.missing = usize::try_from(count).unwrap_or(0);
                }
                Some(_) => return self.inline(input),
            }
        }
        if self.missing > ARGUMENTS_MAX {
            return Err(ProtocolError("Protocol error: invalid multibulk length"));
        }
        while self.missing > 0 {
            if !self.argument(input)? {
                return if input.len() < COMMAND_MAX {
                    Ok(None)
                } else {
                    Err(ProtocolError("Protocol error: command too long"))
                };
            }
        }
        Ok(Some(self.finish()))
    }

    /// The arguments of the command that `next` has just found in this input.
    pub(crate) fn arguments<'a>(&'a self, input: &'a [u8]) -> Arguments<'a> {
        Arguments { input, ranges: &self.arguments }
    }

    /// Reads one `$<length>\r\n<bytes>\r\n`; false if it is not there yet.
    fn argument(&mut self, input: &[u8]) -> Result<bool, ProtocolError> {
        let begun = (self.at, self.searched);
        match input.get(self.at) {
            None => return Ok(false),
            Some(b'$') => {}
            Some(_) => return Err(ProtocolError("Protocol error: expected '$'")),
        }
        let invalid = "Protocol error: invalid bulk length";
        let Some(length) = self.length_line(input, invalid)? else { return Ok(false) };
        let length = usize::try_from(length).ok().filter(|length| *length <= BULK_MAX).ok_or(ProtocolError(invalid))?;
        let end = self.at + length;
        if input.len() < end + 2 {
            // The length line is read once more next time: a few bytes, and one field less to carry.
            (self.at, self.searched) = begun;
            return Ok(false);
        }
        if &input[end..end + 2] != b"\r\n" {
            return Err(ProtocolError("Protocol error: expected CRLF after a bulk string"));
        }
        self.arguments.push(self.at..end);
        (self.at, self.searched) = (end + 2, end + 2);
        self.missing -= 1;
        Ok(true)
    }

    /// Reads a mark, a number and `\r\n`.
    fn length_line(&mut self, input: &[u8], invalid: &'static str) -> Result<Option<i64>, ProtocolError> {
        let Some(line) = self.line(input, LENGTH_LINE_MAX, invalid)? else { return Ok(None) };
        let text = input[line].strip_suffix(b"\r").ok_or(ProtocolError(invalid))?;
        number(&text[1..]).map(Some).ok_or(ProtocolError(invalid))
    }

    /// The line that begins at `at`, without its `\n`; steps past it.
    fn line(
        &mut self,
        input: &[u8],
        max: usize,
        too_long: &'static str,
    ) -> Result<Option<Range<usize>>, ProtocolError> {
        let from = self.searched.max(self.at);
        let limit = input.len().min(self.at + max);
        let Some(length) = input[from.min(limit)..limit].iter().position(|byte| *byte == b'\n') else {
            self.searched = limit;
            return if limit - self.at < max { Ok(None) } else { Err(ProtocolError(too_long)) };
        };
        let line = self.at..from + length;
        (self.at, self.searched) = (line.end + 1, line.end + 1);
        Ok(Some(line))
    }

    /// A line of words, as typed by a person.
    fn inline(&mut self, input: &mut [u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(line) = self.line(input, INLINE_MAX, "Protocol error: too big inline request")? else {
            return Ok(None);
        };
        split_words(&mut input[line], &mut self.arguments)?;
        Ok(Some(self.finish()))
    }

    /// Ready for the next command; the arguments stay until then.
    fn finish(&mut self) -> usize {
        self.searched = 0;
        std::mem::take(&mut self.at)
    }
}

/// Splits at blanks. `"..."` knows escapes, `'...'` only `\'`. What is unescaped gets shorter, so that it fits
/// where it was.
fn split_words(line: &mut [u8], words: &mut Vec<Range<usize>>) -> Result<(), ProtocolError> {
    let unbalanced = ProtocolError("Protocol error: unbalanced quotes in request");
    let mut at = 0;
    loop {
        at += line[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if at == line.len() {
            return Ok(());
        }
        let (start, mut end, mut quote) = (at, at, None);
        while let Some(&byte) = line.get(at) {
            at += 1;
            line[end] = match (quote, byte) {
                (None, byte) if byte.is_ascii_whitespace() => break,
                (None, b'"' | b'\'') => {
                    quote = Some(byte);
                    continue;
                }
                (Some(open), byte) if byte == open => {
                    quote = None;
                    continue;
                }
                (Some(open), b'\\') if at < line.len() => unescape(open, line, &mut at),
                (_, byte) => byte,
            };
            end += 1;
        }
        if quote.is_some() {
            return Err(unbalanced);
        }
        words.push(start..end);
    }
}

/// The byte that a backslash before `at` stands for.
fn unescape(quote: u8, line: &[u8], at: &mut usize) -> u8 {
    let next = line[*at];
    let hex = || u8::from_str_radix(std::str::from_utf8(line.get(*at + 1..*at + 3)?).ok()?, 16).ok();
    let (byte, length) = match (quote, next) {
        (b'\'', b'\'') => (next, 1),
        (b'\'', _) => (b'\\', 0),
        (_, b'n') => (b'\n', 1),
        (_, b'r') => (b'\r', 1),
        (_, b't') => (b'\t', 1),
        (_, b'x') => hex().map_or((next, 1), |byte| (byte, 3)),
        _ => (next, 1),
    };
    *at += length;
    byte
}

/// A decimal number with an optional minus, and nothing else: what RESP and INCR take.
pub(crate) fn number(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_plain.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// The words of one command; the first is its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'a> {
    /// The bytes of the command.
    input: &'a [u8],
    /// Where each word stands in them.
    ranges: &'a [Range<usize>],
}

impl<'a> Arguments<'a> {
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.ranges.get(index).map(|range| &self.input[range.clone()])
    }

    /// The words from `first` on.
    pub(crate) fn from(&self, first: usize) -> impl Iterator<Item = &'a [u8]> {
        let Self { input, ranges } = *self;
        ranges.iter().skip(first).map(move |range| &input[range.clone()])
    }
}

/// Replies, collected so that a batch of commands is answered by one write.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    /// What to send.
    pub(crate) bytes: Vec<u8>,
}

impl Replies {
    pub(crate) fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// `text` begins with a code such as `ERR`. It must be one line: see [`printable`].
    pub(crate) fn error(&mut self, text: &str) {
        self.line(b'-', text.as_bytes());
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    pub(crate) fn array(&mut self, length: usize) {
        self.number(b'*', length as i64);
    }

    pub(crate) fn bulk(&mut self, text: &[u8]) {
        self.number(b'$', text.len() as i64);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A value or its absence.
    pub(crate) fn maybe(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.bulk(value),
            None => self.bytes.extend_from_slice(b"$-1\r\n"),
        }
    }

    fn line(&mut self, mark: u8, text: &[u8]) {
        self.bytes.push(mark);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Digits by hand: a reply to every GET has a length in it, and `write!` is several times slower.
    fn number(&mut self, mark: u8, value: i64) {
        let (mut digits, mut at, mut rest) = ([0; 20], 20, value.unsigned_abs());
        while at == 20 || rest > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if value < 0 {
            at -= 1;
            digits[at] = b'-';
        }
        self.line(mark, &digits[at..]);
    }
}

/// A client's bytes as they may be quoted in an error: one line, not too long, or they could forge a reply.
pub(crate) fn printable(text: &[u8]) -> String {
    text.iter().take(64).map(|byte| if (b' '..=b'~').contains(byte) { *byte as char } else { '?' }).collect()
}

/// For a client: the length of the whole reply at the front of `input`, arrays aside; `None` if there is more to
/// come.
pub(crate) fn reply_length(input: &[u8]) -> Result<Option<usize>, ProtocolError> {
    let Some(line) = input.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let text = input[..line].strip_suffix(b"\r").ok_or(ProtocolError("a line without CR"))?;
    match text.split_first() {
        Some((b'+' | b'-' | b':', _)) => Ok(Some(line + 1)),
        Some((b'$', b"-1")) => Ok(Some(line + 1)),
        Some((b'$', length)) => {
            let length = number(length).and_then(|length| usize::try_from(length).ok());
            let end = line + 1 + length.ok_or(ProtocolError("a bad length"))? + 2;
            Ok(Some(end).filter(|end| *end <= input.len()))
        }
        _ => Err(ProtocolError("an unknown kind of reply")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All commands in a stream that arrives in pieces of this size.
    fn parse(stream: &[u8], piece: usize) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let (mut parser, mut input, mut found) = (Parser::default(), Vec::new(), Vec::new());
        for bytes in stream.chunks(piece) {
            input.extend_from_slice(bytes);
            while let Some(length) = parser.next(&mut input)? {
                found.push(parser.arguments(&input[..length]).from(0).map(<[u8]>::to_vec).collect());
                input.drain(..length);
            }
        }
        assert!(input.len() < 20 || parser.missing > 0, "a whole command was left in the buffer");
        Ok(found)
    }

    #[test]
    fn commands_are_found_however_they_arrive() {
        let stream = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n*1\r\n$4\r\n\r\n\r\n\r\n\r\n*0\r\n*-1\r\nset  k \"a b\"\n*1\r\n$0\r\n\r\n";
        for piece in 1..stream.len() + 1 {
            let found = parse(stream, piece).expect("the stream is well formed");
            let words: Vec<Vec<&[u8]>> = found.iter().map(|words| words.iter().map(Vec::as_slice).collect()).collect();
            let none: &[&[u8]] = &[];
            assert_eq!(
                words,
                [
                    &[b"GET".as_slice(), b"k"],
                    &[b"PING".as_slice()][..],
                    &[b"\r\n\r\n"],
                    none,
                    none,
                    none,
                    &[b"set", b"k", b"a b"],
                    &[b""]
                ],
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn what_is_not_resp_is_refused() {
        for (stream, error) in [
            (b"*x\r\n".as_slice(), "invalid multibulk length"),
            (b"*1048577\r\n", "invalid multibulk length"),
            (b"*99999999999999999999\r\n", "invalid multibulk length"),
            (b"*1\n", "invalid multibulk length"),
            (b"*1\r\n:1\r\n", "expected '$'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$+1\r\n", "invalid bulk length"),
            (b"*1\r\n$16777217\r\n", "invalid bulk length"),
            (b"*1\r\n$1\r\nabc", "expected CRLF"),
            (b"get \"k\n", "unbalanced quotes"),
            (&[b'1'; INLINE_MAX], "too big inline"),
            (b"*00000000000000000000000000000000000001\r\n", "invalid multibulk length"),
        ] {
            for piece in [1, 7, stream.len()] {
                let ProtocolError(text) = parse(stream, piece).expect_err("the stream is malformed");
                assert!(text.contains(error), "{text} for {}", printable(stream));
            }
        }
    }

    #[test]
    fn inline_words_may_be_quoted() {
        let line = br#"a "b\"\n\x41\q" 'c\'\n' "" d"e f"g"#;
        let found = parse(&[line, b"\r\n".as_slice()].concat(), 5).expect("the line is well formed");
        assert_eq!(found[0], [b"a".as_slice(), b"b\"\nAq", b"c'\\n", b"", b"de fg"]);
    }

    #[test]
    fn replies_look_as_clients_expect_and_can_be_measured() {
        let mut replies = Replies::default();
        replies.simple("OK");
        replies.error("ERR no");
        [0, 7, -10, i64::MAX, i64::MIN].into_iter().for_each(|value| replies.integer(value));
        replies.bulk(b"a\r\nb");
        replies.maybe(None);
        let text = String::from_utf8(replies.bytes).expect("all of it is ASCII");
        let expected = "+OK\r\n|-ERR no\r\n|:0\r\n|:7\r\n|:-10\r\n|:9223372036854775807\r\n|:-9223372036854775808\r\n|$4\r\na\r\nb\r\n|$-1\r\n";
        assert_eq!(text, expected.replace('|', ""));
        let mut rest = text.as_bytes();
        for reply in expected.split('|') {
            assert!((0..reply.len()).all(|cut| reply_length(&rest[..cut]) == Ok(None)), "{reply}");
            assert_eq!(reply_length(rest), Ok(Some(reply.len())), "{reply}");
            rest = &rest[reply.len()..];
        }
    }

    #[test]
    fn an_error_cannot_forge_a_reply() {
        assert_eq!(printable(b"a\r\n+OK\xff"), "a??+OK?");
        assert_eq!(printable(&[b'x'; 1_000]).len(), 64);
    }
}
