//! What KIM reads first when it opens this library: `KIM_SharedLibrarySchema.hpp`, version 2.

#![expect(unsafe_code, reason = "exported symbols")]

use crate::api::Code;
use crate::driver;
use std::ffi::{c_char, c_int, c_void};

/// `SharedLibrarySchemaV2`
#[repr(C)]
pub(crate) struct Schema {
    item_type: Code,
    item_name: *const c_char,
    create_language: Code,
    create: driver::Create,
    driver_name: *const c_char,
    simulator_model_specification: *const c_void,
    parameter_files: c_int,
    parameter_file: *const c_void,
    metadata_files: c_int,
    metadata_file: *const c_void,
}

// SAFETY: pointers to constants
unsafe impl Sync for Schema {}

/// `KIM_COLLECTION_ITEM_TYPE_modelDriver`, part of the schema's version.
const MODEL_DRIVER: Code = Code(0);
/// `KIM_LANGUAGE_NAME_c`
const C: Code = Code(1);

/// Which schema this is.
#[unsafe(no_mangle)]
pub(crate) static kim_shared_library_schema_version: c_int = 2;

/// The model driver "vitrion".
#[unsafe(no_mangle)]
pub(crate) static kim_shared_library_schema: Schema = Schema {
    item_type: MODEL_DRIVER,
    item_name: c"vitrion".as_ptr(),
    create_language: C,
    create: driver::create,
    driver_name: c"".as_ptr(),
    simulator_model_specification: std::ptr::null(),
    parameter_files: 0,
    parameter_file: std::ptr::null(),
    metadata_files: 0,
    metadata_file: std::ptr::null(),
};
