//! A self-hosted gateway for video generation: the parts of the `filmgate` program.

mod backup;
pub mod cli;
pub mod config;
mod data_dir;
mod demo_tour;
mod files;
mod live;
pub mod logging;
mod secured;
pub mod start;
mod telemetry;
