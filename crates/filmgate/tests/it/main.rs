//! End to end: the real binary, real sockets, a simulated provider.

mod app;
mod books;
mod delivery;
mod faults;
mod founding;
mod gate;
mod operator;
mod recovery;
mod torture;
