//! What a trajectory holds, and in which format.

use serde::{Deserialize, Serialize};

/// What is written for every frame besides cell and unwrapped positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrajectorySettings {
    pub format: TrajectoryFormat,
    pub velocities: bool,
    /// Forces; not in AMBER NetCDF.
    pub forces: bool,
}

/// Formats of trajectories that a stage writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrajectoryFormat {
    /// Extended XYZ in zstd: exact, with phases; about 28 bytes per atom.
    #[default]
    #[serde(rename = "extxyz.zst")]
    ExtXyzZstd,
    /// Extended XYZ as plain text.
    #[serde(rename = "extxyz")]
    ExtXyz,
    /// LAMMPS dump as plain text.
    #[serde(rename = "lammps-dump")]
    LammpsDump,
    /// AMBER NetCDF: f32, 12 bytes per atom, any frame at once.
    #[serde(rename = "amber-netcdf")]
    AmberNetcdf,
}

impl TrajectoryFormat {
    /// All of them.
    pub const ALL: [TrajectoryFormat; 4] = [
        TrajectoryFormat::ExtXyzZstd,
        TrajectoryFormat::ExtXyz,
        TrajectoryFormat::LammpsDump,
        TrajectoryFormat::AmberNetcdf,
    ];

    /// The word in run files.
    pub fn name(self) -> &'static str {
        match self {
            TrajectoryFormat::ExtXyzZstd => "extxyz.zst",
            TrajectoryFormat::ExtXyz => "extxyz",
            TrajectoryFormat::LammpsDump => "lammps-dump",
            TrajectoryFormat::AmberNetcdf => "amber-netcdf",
        }
    }

    /// The file in the folder of a stage.
    pub fn file_name(self) -> &'static str {
        match self {
            TrajectoryFormat::ExtXyzZstd => "trajectory.extxyz.zst",
            TrajectoryFormat::ExtXyz => "trajectory.extxyz",
            TrajectoryFormat::LammpsDump => "trajectory.lammpstrj",
            TrajectoryFormat::AmberNetcdf => "trajectory.nc",
        }
    }
}
