//! The simulator through real sockets, as a client sees it.

mod edits;
mod generations;
mod manners;
mod openai;
mod openai_edits;
mod sim;
