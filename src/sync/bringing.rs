//! A handle that brings an item along.

use super::wait_list::Handle;
#[cfg(doc)]
use super::wait_list::Operation;
use std::ops::Deref;

/// A primitive to which somebody comes with an item, in this role.
pub trait Takes<Role> {
    type Item;
}

/// The role of what is put into a primitive.
pub struct Value;

/// A handle that brings an item along, for a future that owns what it wants to put.
///
/// The item's type stands in it once, as the primitive's. Were it a parameter of the operation as well, the compiler could not tell
/// that both are the same type once it has erased the lifetimes in a task's future, and a task that puts a `&'static str`
/// could not be spawned ("implementation is not general enough").
pub struct Bringing<H: Handle<Target: Takes<Role>>, Role> {
    primitive: H,
    /// None once it was taken by [`Operation::try_now`].
    pub(crate) item: Option<<H::Target as Takes<Role>>::Item>,
}

impl<H: Handle<Target: Takes<Role>>, Role> Bringing<H, Role> {
    pub(crate) fn new(primitive: H, item: <H::Target as Takes<Role>>::Item) -> Self {
        Self { primitive, item: Some(item) }
    }

    /// The handle and the item, which must be there.
    pub(crate) fn into_parts(self) -> (H, <H::Target as Takes<Role>>::Item) {
        (self.primitive, self.item.expect("it is put, or comes back, once"))
    }
}

impl<H: Handle<Target: Takes<Role>>, Role> Deref for Bringing<H, Role> {
    type Target = H::Target;

    fn deref(&self) -> &H::Target {
        &self.primitive
    }
}
