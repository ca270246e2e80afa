//! Vitrion as a library: run files, plans, results folders, reports.

pub mod results;
