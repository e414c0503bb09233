//! A self-hosted gateway for video generation: the parts of the `filmgate` program.

pub mod cli;
pub mod config;
mod data_dir;
mod demo_tour;
mod live;
pub mod logging;
pub mod start;
mod telemetry;
