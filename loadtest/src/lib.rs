//! A load tester for any Yjs server. Read it in this order: `scenario` (what a file says), `executor` (who comes when),
//! `user` (what one does), `ledger` (what is matched with what), `run`, `report`.

pub mod cli;
pub mod connect;
pub mod executor;
pub mod ledger;
pub mod metrics;
pub mod pen;
pub mod process;
pub mod report;
pub mod run;
pub mod scenario;
pub mod shipped;
pub mod threshold;
pub mod user;
pub mod wire;
