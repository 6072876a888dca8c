//! The store: keys and values in shards, each under a lock of its own.
//!
//! Workers share it. A command locks one shard for as long as it takes to look up one key, and nobody waits for
//! a socket under a lock (the methods are not async, so the compiler sees to that). Time comes from the caller,
//! in milliseconds since the start: one look at the clock serves a whole batch of commands.
//!
//! - **S1** An entry whose time is over is never seen: each look removes it first. The sweep only gives back
//!   the memory of those that nobody asks for.
//! - **S2** `due` has exactly the keys whose entry has an expiry, each under that expiry.

use crate::resp::number;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many that two workers seldom want the same one; a power of two, so that a mask finds it.
const SHARDS: usize = 64;

type Key = Box<[u8]>;

/// All keys and values.
#[derive(Debug)]
pub(crate) struct Store {
    /// A key lives in the shard that its hash chooses.
    shards: Vec<Mutex<Shard>>,
}

/// A part of the keys.
#[derive(Debug, Default)]
struct Shard {
    /// What the keys mean.
    entries: HashMap<Key, Entry>,
    /// The keys that expire, soonest first (S2).
    due: BTreeSet<(u64, Key)>,
}

#[derive(Debug)]
struct Entry {
    /// What was set.
    value: Vec<u8>,
    /// When it is over.
    expires: Option<u64>,
}

/// When SET shall set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum When {
    /// In any case.
    Always,
    /// NX.
    Absent,
    /// XX.
    Present,
}

/// How long a key has to live.
#[derive(Debug, PartialEq)]
pub(crate) enum TimeLeft {
    /// There is no such key.
    Missing,
    /// It does not expire.
    Unlimited,
    /// This many milliseconds.
    Ms(u64),
}

/// Why INCR did nothing.
#[derive(Debug, PartialEq)]
pub(crate) enum NoIncrement {
    /// The value is not a number of 64 bits.
    NotANumber,
    /// The sum would not be one.
    Overflow,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Shows the value to `look`, under the shard's lock: so it can be copied straight into a reply.
    pub(crate) fn get<R>(&self, key: &[u8], now: u64, look: impl FnOnce(Option<&[u8]>) -> R) -> R {
        let mut shard = self.shard(key);
        look(shard.live(key, now).map(|entry| entry.value.as_slice()))
    }

    /// Sets a value, or not, as `when` says; returns whether it did.
    pub(crate) fn set(&self, key: &[u8], value: &[u8], expires: Option<u64>, when: When, now: u64) -> bool {
        let mut shard = self.shard(key);
        match (shard.live(key, now), when) {
            (Some(_), When::Absent) | (None, When::Present) => return false,
            (Some(entry), _) => {
                // The buffer is used again, unless it is far too large for what it has to hold now.
                entry.value.clear();
                entry.value.shrink_to(4 * value.len());
                entry.value.extend_from_slice(value);
            }
            (None, _) => drop(shard.entries.insert(key.into(), Entry { value: value.to_vec(), expires: None })),
        }
        shard.set_expiry(key, expires);
        true
    }

    /// Returns whether there was anything to delete.
    pub(crate) fn delete(&self, key: &[u8], now: u64) -> bool {
        let mut shard = self.shard(key);
        shard.live(key, now).is_some() && shard.remove(key)
    }

    /// Adds to a number; a key that does not exist counts as 0. The expiry stays.
    pub(crate) fn increment(&self, key: &[u8], by: i64, now: u64) -> Result<i64, NoIncrement> {
        let mut shard = self.shard(key);
        let Some(entry) = shard.live(key, now) else {
            shard.entries.insert(key.into(), Entry { value: by.to_string().into_bytes(), expires: None });
            return Ok(by);
        };
        let old = number(&entry.value).ok_or(NoIncrement::NotANumber)?;
        let sum = old.checked_add(by).ok_or(NoIncrement::Overflow)?;
        entry.value = sum.to_string().into_bytes();
        Ok(sum)
    }

    /// Gives a key an end, or deletes it if that has come; returns whether there was such a key.
    pub(crate) fn expire(&self, key: &[u8], at: u64, now: u64) -> bool {
        let mut shard = self.shard(key);
        if shard.live(key, now).is_none() {
            return false;
        }
        if at <= now {
            return shard.remove(key);
        }
        shard.set_expiry(key, Some(at));
        true
    }

    pub(crate) fn time_left(&self, key: &[u8], now: u64) -> TimeLeft {
        match self.shard(key).live(key, now) {
            None => TimeLeft::Missing,
            Some(Entry { expires: None, .. }) => TimeLeft::Unlimited,
            Some(Entry { expires: Some(at), .. }) => TimeLeft::Ms(*at - now),
        }
    }

    /// How many keys there are, those included that are over and not yet swept.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).entries.len()).sum()
    }

    /// Forgets everything, shard by shard. What was in it is dropped after its lock is released.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let old = std::mem::take(&mut *lock(shard));
            drop(old);
        }
    }

    /// Removes what is over, at most `max` keys of each shard, so that no lock is held for long.
    pub(crate) fn sweep(&self, now: u64, max: usize) -> usize {
        let sweep = |shard: &Mutex<Shard>| {
            let mut shard = lock(shard);
            (0..max).take_while(|_| shard.remove_if_due(now)).count()
        };
        self.shards.iter().map(sweep).sum()
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        // FNV-1a. The maps inside have a keyed hash; whoever aims at one shard can slow down that shard alone.
        let hash = key
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }
}

/// Nothing that runs under these locks can panic half-way, so a poisoned one is as good as any.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// The entry, if its time is not over (S1).
    fn live(&mut self, key: &[u8], now: u64) -> Option<&mut Entry> {
        let is_over = self.entries.get(key)?.expires.is_some_and(|at| at <= now);
        if is_over {
            self.remove(key);
            return None;
        }
        self.entries.get_mut(key)
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        let Some((key, entry)) = self.entries.remove_entry(key) else { return false };
        if let Some(at) = entry.expires {
            self.due.remove(&(at, key));
        }
        true
    }

    fn set_expiry(&mut self, key: &[u8], expires: Option<u64>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let old = std::mem::replace(&mut entry.expires, expires);
        if old == expires {
            return;
        }
        if let Some(at) = old {
            self.due.remove(&(at, key.into()));
        }
        if let Some(at) = expires {
            self.due.insert((at, key.into()));
        }
    }

    fn remove_if_due(&mut self, now: u64) -> bool {
        if self.due.first().is_none_or(|(at, _)| *at > now) {
            return false;
        }
        if let Some((_, key)) = self.due.pop_first() {
            self.entries.remove(&key);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(store: &Store, key: &[u8], now: u64) -> Option<Vec<u8>> {
        store.get(key, now, |value| value.map(<[u8]>::to_vec))
    }

    /// S2, for every shard.
    fn check(store: &Store) {
        for shard in &store.shards {
            let shard = lock(shard);
            let expiring = shard.entries.iter().filter_map(|(key, entry)| Some((entry.expires?, key.clone())));
            assert_eq!(expiring.collect::<BTreeSet<_>>(), shard.due);
        }
    }

    #[test]
    fn set_obeys_its_conditions() {
        let store = Store::new();
        assert!(!store.set(b"k", b"1", None, When::Present, 0));
        assert!(store.set(b"k", b"2", None, When::Absent, 0));
        assert!(!store.set(b"k", b"3", None, When::Absent, 0));
        assert_eq!(value(&store, b"k", 0).as_deref(), Some(b"2".as_slice()));
        assert!(store.set(b"k", b"4", None, When::Present, 0));
        assert_eq!(value(&store, b"k", 0).as_deref(), Some(b"4".as_slice()));
        assert!(store.delete(b"k", 0) && !store.delete(b"k", 0));
        assert_eq!(value(&store, b"k", 0), None);
    }

    #[test]
    fn an_entry_is_gone_when_its_time_is_over() {
        let store = Store::new();
        store.set(b"k", b"1", Some(100), When::Always, 0);
        assert_eq!(store.time_left(b"k", 1), TimeLeft::Ms(99));
        assert!(value(&store, b"k", 99).is_some());
        assert!(!store.delete(b"k", 100) && !store.expire(b"k", 500, 100), "it is over, so it cannot be found");
        assert_eq!((store.time_left(b"k", 100), store.len()), (TimeLeft::Missing, 0));
        assert!(store.set(b"k", b"2", None, When::Absent, 100));
        check(&store);
    }

    #[test]
    fn setting_anew_ends_the_expiry_and_incrementing_keeps_it() {
        let store = Store::new();
        store.set(b"k", b"1", Some(100), When::Always, 0);
        assert_eq!(store.increment(b"k", 1, 0), Ok(2));
        assert_eq!(store.time_left(b"k", 0), TimeLeft::Ms(100));
        store.set(b"k", b"1", None, When::Always, 0);
        assert_eq!(store.time_left(b"k", 0), TimeLeft::Unlimited);
        assert!(store.expire(b"k", 50, 0) && store.expire(b"k", 0, 0), "an end in the past deletes");
        assert_eq!(store.len(), 0);
        check(&store);
    }

    #[test]
    fn increment_wants_numbers() {
        let store = Store::new();
        assert_eq!(store.increment(b"n", 1, 0), Ok(1));
        for (text, result) in [
            ("9223372036854775806", Ok(i64::MAX)),
            ("9223372036854775807", Err(NoIncrement::Overflow)),
            ("9223372036854775808", Err(NoIncrement::NotANumber)),
            ("", Err(NoIncrement::NotANumber)),
            (" 1", Err(NoIncrement::NotANumber)),
            ("+1", Err(NoIncrement::NotANumber)),
            ("-1", Ok(0)),
        ] {
            store.set(b"n", text.as_bytes(), None, When::Always, 0);
            assert_eq!(store.increment(b"n", 1, 0), result, "{text}");
        }
    }

    #[test]
    fn the_sweep_takes_what_is_over_and_nothing_else() {
        let store = Store::new();
        for n in 0..1_000_u64 {
            store.set(&n.to_le_bytes(), b"v", (n % 2 == 0).then_some(n), When::Always, 0);
        }
        assert_eq!(store.len(), 1_000, "setting what is over is allowed, finding it is not");
        while store.sweep(500, 3) > 0 {
            check(&store);
        }
        assert_eq!(store.len(), 500 + 249, "the odd ones, and the even ones after 500");
        store.clear();
        assert_eq!(store.len(), 0);
        check(&store);
    }
}
