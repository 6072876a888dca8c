//! Room that a burst has left behind, and when it is given back.

/// So much room is kept in any case: it would be asked for again at once.
pub(super) const KEPT: usize = 64;

/// To how much room a list is to be cut that holds `len` and has room for `capacity`; none if that is not much more.
///
/// A list is cut when three quarters of it are free, and then half of what is left is free again: as many as it holds must come, or
/// half as many go, before it is moved once more. So moving costs each item that comes or goes a few copies at most. INSTEAD OF
/// giving back all of it when nothing is left: where there is always something left, that moment never comes.
pub(super) fn to_cut_to(len: usize, capacity: usize) -> Option<usize> {
    (capacity > KEPT && len <= capacity / 4).then_some(KEPT.max(2 * len))
}
