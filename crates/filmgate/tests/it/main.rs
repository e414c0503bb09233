//! End to end: the real binary, real sockets, a simulated provider.

mod app;
mod blame;
mod books;
mod chat;
mod cli;
mod delivery;
mod demo;
mod edges;
mod faults;
mod founding;
mod gate;
mod generate;
mod input;
mod keys;
mod limits;
mod media;
mod openai;
mod operator;
mod probes;
mod recovery;
mod reload;
mod secrets;
mod shell;
mod torture;
mod wire;
mod xai;
