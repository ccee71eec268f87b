//! The harness judges servers: here it is judged, by servers that lie in known ways, and by its own command line.

mod command;
mod double;
mod honesty;
mod replay;
