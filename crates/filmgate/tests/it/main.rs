//! End to end: the real binary, real sockets, a simulated provider.

mod app;
mod founding;
