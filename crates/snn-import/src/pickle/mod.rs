//! Pickles as data.
//!
//! A pickle is a program for a machine with a stack. This one builds what the program describes
//! and calls nothing: a class is its name, a call is the name with its arguments
//! ([`Object`]), a persistent id is the id. Protocols 0 to 5.
//!
//! Memory grows with the bytes that were read, by a bounded factor, whatever they say: every
//! opcode adds at most one value, values refer to each other by number, and there are at most
//! [`MOST_OPCODES`]. No function calls itself.

mod error;
mod input;
mod machine;
mod value;

pub use error::{PickleError, Problem};
pub(crate) use input::Input;
pub(crate) use machine::{MOST_OPCODES, load};
pub(crate) use value::{Id, Object, Pickle, Value};
