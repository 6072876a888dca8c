//! The commands: from words to a reply. Errors are worded as Redis words them, since clients look at them.

use crate::resp::{Arguments, COMMAND_MAX as REPLY_MAX, Replies, number, printable};
use crate::store::{NoIncrement, Store, TimeLeft, When};

/// What the connection does after a reply.
#[derive(Debug, PartialEq)]
pub(crate) enum Then {
    /// Go on with the next command.
    Continue,
    /// Send what there is and close.
    Close,
}

/// The names that `execute` knows, each with the least and the most words a command of that name has.
const COMMANDS: [(&str, usize, usize); 19] = [
    ("GET", 2, 2),
    ("SET", 3, MANY),
    ("INCR", 2, 2),
    ("PING", 1, 2),
    ("ECHO", 2, 2),
    ("DEL", 2, MANY),
    ("EXISTS", 2, MANY),
    ("MGET", 2, MANY),
    ("EXPIRE", 3, 3),
    ("TTL", 2, 2),
    ("PTTL", 2, 2),
    ("DBSIZE", 1, 1),
    ("FLUSHALL", 1, 2),
    ("SELECT", 2, 2),
    ("QUIT", 1, MANY),
    ("HELLO", 1, MANY),
    ("CLIENT", 2, MANY),
    ("COMMAND", 1, MANY),
    ("CONFIG", 2, MANY),
];

const MANY: usize = usize::MAX;

/// Why a command was not carried out: the text of the error reply.
type Refused = &'static str;

const NOT_AN_INTEGER: Refused = "ERR value is not an integer or out of range";
const SYNTAX: Refused = "ERR syntax error";

/// Carries out one command and appends its reply. `now` is in milliseconds, as the store has it.
pub(crate) fn execute(store: &Store, now: u64, words: Arguments<'_>, out: &mut Replies) -> Then {
    let Some(given) = words.get(0) else { return Then::Continue };
    let Some((name, least, most)) = COMMANDS.into_iter().find(|(name, ..)| given.eq_ignore_ascii_case(name.as_bytes()))
    else {
        out.error(&format!("ERR unknown command '{}'", printable(given)));
        return Then::Continue;
    };
    if !(least..=most).contains(&words.len()) {
        out.error(&format!("ERR wrong number of arguments for '{}' command", name.to_ascii_lowercase()));
        return Then::Continue;
    }
    if let Err(text) = known(name, store, now, words, out) {
        out.error(text);
    }
    if name == "QUIT" { Then::Close } else { Then::Continue }
}

/// A command whose name and number of words are right.
fn known(name: &str, store: &Store, now: u64, words: Arguments<'_>, out: &mut Replies) -> Result<(), Refused> {
    // Every name of the table that needs a first argument has one by now.
    let key = words.get(1).unwrap_or_default();
    match name {
        "GET" => store.get(key, now, |value| out.maybe(value)),
        "SET" => set(store, now, words, out)?,
        "INCR" => out.integer(increment(store, key, now)?),
        "PING" if words.len() == 1 => out.simple("PONG"),
        "PING" | "ECHO" => out.bulk(key),
        "DEL" => out.integer(words.from(1).filter(|key| store.delete(key, now)).count() as i64),
        "EXISTS" => {
            let exists = |key: &&[u8]| store.get(key, now, |value| value.is_some());
            out.integer(words.from(1).filter(exists).count() as i64);
        }
        "MGET" => get_many(store, now, words, out)?,
        "EXPIRE" => out.integer(expire(store, key, now, words.get(2).unwrap_or_default())?),
        "TTL" => out.integer(time_left(store, key, now, |ms| (ms + 500) / 1_000)),
        "PTTL" => out.integer(time_left(store, key, now, |ms| ms)),
        "DBSIZE" => out.integer(store.len() as i64),
        "FLUSHALL" => {
            store.clear();
            out.simple("OK");
        }
        "SELECT" if key == b"0" => out.simple("OK"),
        "SELECT" => return Err("ERR DB index is out of range"),
        "HELLO" => hello(words, out)?,
        "CLIENT" => client(key, out),
        "COMMAND" => command(words.get(1), out),
        "CONFIG" => config(key, words.get(2), out)?,
        _ => out.simple("OK"), // QUIT
    }
    Ok(())
}

/// The reply can be far longer than the command, if keys with large values are named again and again.
fn get_many(store: &Store, now: u64, words: Arguments<'_>, out: &mut Replies) -> Result<(), Refused> {
    let start = out.bytes.len();
    out.array(words.len() - 1);
    for key in words.from(1) {
        store.get(key, now, |value| out.maybe(value));
        if out.bytes.len() - start > REPLY_MAX {
            out.bytes.truncate(start);
            return Err("ERR the reply would be too long");
        }
    }
    Ok(())
}

/// `SET key value [NX | XX] [EX seconds | PX milliseconds]`
fn set(store: &Store, now: u64, words: Arguments<'_>, out: &mut Replies) -> Result<(), Refused> {
    let (mut when, mut expires) = (When::Always, None);
    let mut options = words.from(3);
    while let Some(option) = options.next() {
        match option.to_ascii_uppercase().as_slice() {
            b"NX" if when != When::Present => when = When::Absent,
            b"XX" if when != When::Absent => when = When::Present,
            unit @ (b"EX" | b"PX") if expires.is_none() => {
                let amount = number(options.next().ok_or(SYNTAX)?).ok_or(NOT_AN_INTEGER)?;
                let ms = if unit == b"EX" { amount.checked_mul(1_000) } else { Some(amount) };
                let ms = ms.filter(|ms| *ms > 0).ok_or("ERR invalid expire time in 'set' command")?;
                expires = Some(now.saturating_add_signed(ms));
            }
            _ => return Err(SYNTAX),
        }
    }
    let (key, value) = (words.get(1).unwrap_or_default(), words.get(2).unwrap_or_default());
    match store.set(key, value, expires, when, now) {
        true => out.simple("OK"),
        false => out.maybe(None),
    }
    Ok(())
}

fn increment(store: &Store, key: &[u8], now: u64) -> Result<i64, Refused> {
    store.increment(key, 1, now).map_err(|error| match error {
        NoIncrement::NotANumber => NOT_AN_INTEGER,
        NoIncrement::Overflow => "ERR increment or decrement would overflow",
    })
}

fn expire(store: &Store, key: &[u8], now: u64, seconds: &[u8]) -> Result<i64, Refused> {
    let seconds = number(seconds).ok_or(NOT_AN_INTEGER)?;
    let ms = seconds.checked_mul(1_000).ok_or("ERR invalid expire time in 'expire' command")?;
    Ok(i64::from(store.expire(key, now.saturating_add_signed(ms), now)))
}

fn time_left(store: &Store, key: &[u8], now: u64, unit: impl FnOnce(u64) -> u64) -> i64 {
    match store.time_left(key, now) {
        TimeLeft::Missing => -2,
        TimeLeft::Unlimited => -1,
        TimeLeft::Ms(ms) => i64::try_from(unit(ms)).unwrap_or(i64::MAX),
    }
}

/// Who we are. We speak RESP2; a client that asks for RESP3 is told so and stays with RESP2.
fn hello(words: Arguments<'_>, out: &mut Replies) -> Result<(), Refused> {
    match words.get(1).map(number) {
        None | Some(Some(2)) => {}
        Some(Some(_)) => return Err("NOPROTO unsupported protocol version"),
        Some(None) => return Err("ERR Protocol version is not an integer or out of range"),
    }
    out.array(6);
    for text in ["server", "mainspring-kv", "version", env!("CARGO_PKG_VERSION"), "proto"] {
        out.bulk(text.as_bytes());
    }
    out.integer(2);
    Ok(())
}

/// Clients introduce themselves; we are polite about it and keep no record.
fn client(subcommand: &[u8], out: &mut Replies) {
    match subcommand.to_ascii_uppercase().as_slice() {
        b"ID" => out.integer(1),
        b"GETNAME" => out.maybe(None),
        _ => out.simple("OK"),
    }
}

/// redis-cli asks for documentation when it starts, and does without if there is none.
fn command(subcommand: Option<&[u8]>, out: &mut Replies) {
    match subcommand {
        Some(word) if word.eq_ignore_ascii_case(b"COUNT") => out.integer(COMMANDS.len() as i64),
        _ => out.array(0),
    }
}

/// redis-benchmark asks for two settings to print them.
fn config(subcommand: &[u8], setting: Option<&[u8]>, out: &mut Replies) -> Result<(), Refused> {
    if !subcommand.eq_ignore_ascii_case(b"GET") {
        return Err("ERR unknown subcommand: this server has nothing to configure");
    }
    let value: &[u8] = match setting {
        Some(b"save") => b"",
        Some(b"appendonly") => b"no",
        _ => {
            out.array(0);
            return Ok(());
        }
    };
    out.array(2);
    out.maybe(setting);
    out.bulk(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Parser;

    /// Types a line at a given time; returns the reply.
    fn ask(store: &Store, now: u64, line: &str) -> String {
        let (mut parser, mut out, mut input) =
            (Parser::default(), Replies::default(), format!("{line}\r\n").into_bytes());
        parser.next(&mut input).expect("the line is well formed").expect("the line is whole");
        execute(store, now, parser.arguments(&input), &mut out);
        String::from_utf8(out.bytes).expect("the replies in these tests are ASCII").replace("\r\n", "|")
    }

    #[test]
    fn a_reply_out_of_proportion_is_refused() {
        let store = Store::new();
        let value = vec![b'v'; REPLY_MAX / 8];
        store.set(b"k", &value, None, When::Always, 0);
        assert!(ask(&store, 0, "MGET k k k").len() > 3 * value.len());
        assert_eq!(ask(&store, 0, "MGET k k k k k k k k"), "-ERR the reply would be too long|");
    }

    #[test]
    fn a_conversation_as_redis_would_have_it() {
        let store = Store::new();
        for (now, line, reply) in [
            (0, "ping", "+PONG|"),
            (0, "PING hi", "$2|hi|"),
            (0, "ECHO hi", "$2|hi|"),
            (0, "SET k v", "+OK|"),
            (0, "GET k", "$1|v|"),
            (0, "GET", "-ERR wrong number of arguments for 'get' command|"),
            (0, "GET a b", "-ERR wrong number of arguments for 'get' command|"),
            (0, "SET k w nx", "$-1|"),
            (0, "SET k w XX EX 10", "+OK|"),
            (1_000, "TTL k", ":9|"),
            (1_000, "PTTL k", ":9000|"),
            (9_999, "EXISTS k k nope", ":2|"),
            (10_000, "EXISTS k", ":0|"),
            (10_000, "TTL k", ":-2|"),
            (0, "SET k v PX 5 NX", "+OK|"),
            (5, "GET k", "$-1|"),
            (0, "SET k v EX 0", "-ERR invalid expire time in 'set' command|"),
            (0, "SET k v EX -1", "-ERR invalid expire time in 'set' command|"),
            (0, "SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command|"),
            (0, "SET k v PX 9223372036854775807", "+OK|"),
            (0, "SET k v EX x", "-ERR value is not an integer or out of range|"),
            (0, "SET k v EX", "-ERR syntax error|"),
            (0, "SET k v EX 1 PX 1", "-ERR syntax error|"),
            (0, "SET k v NX XX", "-ERR syntax error|"),
            (0, "SET k v WHAT", "-ERR syntax error|"),
            (0, "INCR n", ":1|"),
            (0, "INCR n", ":2|"),
            (0, "INCR k", "-ERR value is not an integer or out of range|"),
            (0, "SET n 9223372036854775807", "+OK|"),
            (0, "INCR n", "-ERR increment or decrement would overflow|"),
            (0, "MGET k nope n", "*3|$1|v|$-1|$19|9223372036854775807|"),
            (0, "EXPIRE n 100", ":1|"),
            (0, "EXPIRE nope 100", ":0|"),
            (0, "EXPIRE n 9223372036854775807", "-ERR invalid expire time in 'expire' command|"),
            (0, "TTL n", ":100|"),
            (0, "EXPIRE n -1", ":1|"),
            (0, "DBSIZE", ":1|"),
            (0, "DEL k n nope", ":1|"),
            (0, "FLUSHALL", "+OK|"),
            (0, "SELECT 0", "+OK|"),
            (0, "SELECT 1", "-ERR DB index is out of range|"),
            (0, "HELLO 3", "-NOPROTO unsupported protocol version|"),
            (0, "COMMAND DOCS", "*0|"),
            (0, "CONFIG GET save", "*2|$4|save|$0||"),
            (0, "CONFIG GET other", "*0|"),
            (0, "CLIENT SETINFO LIB-NAME x", "+OK|"),
            (0, "\"a\\r\\n+OK\" x", "-ERR unknown command 'a??+OK'|"),
            (0, "", ""),
        ] {
            assert_eq!(ask(&store, now, line), reply, "{line}");
        }
    }
}
