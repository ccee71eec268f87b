//! A load tester for any Yjs server. Read it in this order: `scenario` (what a file says), `executor` (who comes when),
//! `user` (what one does), `pen` and `replay` (what it writes), `ledger` (what is matched with what), `run`, `report`.

pub mod cli;
pub mod connect;
pub mod executor;
pub mod ledger;
pub mod metrics;
pub mod pen;
pub mod process;
pub mod ranges;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod shipped;
pub mod spans;
pub mod threshold;
pub mod token;
pub mod trace;
pub mod user;
pub mod wire;
