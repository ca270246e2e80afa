//! Vitrion as a library: run files, plans, results folders, reports.

pub mod report;
pub mod results;
