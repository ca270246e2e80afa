//! Functions and constants of libkim-api that a model driver needs.
//!
//! They are looked up by name in the libkim-api that has loaded this driver. Linking against it would tie the
//! build to a machine that has it, and the driver to its place.

#![expect(unsafe_code, reason = "the edge to C: symbols of another library")]

use crate::KimError;
use libloading::os::unix::{Library, RTLD_LAZY};
use std::ffi::{c_char, c_double, c_int, c_void};
use std::sync::OnceLock;

/// An enumeration of KIM: a structure of one integer.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) c_int);

/// An object of KIM.
pub(crate) type Object = *mut c_void;
/// Any routine of a model.
pub(crate) type Routine = unsafe extern "C" fn();

/// Name of the library in memory.
const LIBRARY: &str = "libkim-api.so.2";
/// Only a library that is loaded already.
const RTLD_NOLOAD: c_int = 4;

macro_rules! functions {
    ($($field:ident: $name:literal, fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions; they live as long as the process.
        pub(crate) struct Functions {
            $(pub(crate) $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            library: Library,
        }

        impl Functions {
            fn load(library: Library) -> Result<Self, KimError> {
                Ok(Functions {
                    $($field: {
                        // SAFETY: the signature is that of the header of this name
                        let found = unsafe { library.get($name) };
                        *found.map_err(|_| missing($name))?
                    },)*
                    library,
                })
            }
        }
    };
}

functions! {
    parameter_directory: b"KIM_ModelDriverCreate_GetParameterFileDirectoryName\0", fn(Object, *mut *const c_char);
    parameter_files: b"KIM_ModelDriverCreate_GetNumberOfParameterFiles\0", fn(Object, *mut c_int);
    parameter_file: b"KIM_ModelDriverCreate_GetParameterFileBasename\0", fn(Object, c_int, *mut *const c_char) -> c_int;
    set_numbering: b"KIM_ModelDriverCreate_SetModelNumbering\0", fn(Object, Code) -> c_int;
    set_influence_distance: b"KIM_ModelDriverCreate_SetInfluenceDistancePointer\0", fn(Object, *const c_double);
    set_neighbor_lists: b"KIM_ModelDriverCreate_SetNeighborListPointers\0", fn(Object, c_int, *const c_double, *const c_int);
    set_routine: b"KIM_ModelDriverCreate_SetRoutinePointer\0", fn(Object, Code, Code, c_int, Option<Routine>) -> c_int;
    set_species: b"KIM_ModelDriverCreate_SetSpeciesCode\0", fn(Object, Code, c_int) -> c_int;
    set_buffer: b"KIM_ModelDriverCreate_SetModelBufferPointer\0", fn(Object, *mut c_void);
    set_units: b"KIM_ModelDriverCreate_SetUnits\0", fn(Object, Code, Code, Code, Code, Code) -> c_int;
    convert_unit: b"KIM_ModelDriverCreate_ConvertUnit\0",
        fn(Code, Code, Code, Code, Code, Code, Code, Code, Code, Code, c_double, c_double, c_double, c_double, c_double, *mut c_double) -> c_int;
    log_create: b"KIM_ModelDriverCreate_LogEntry\0", fn(Object, Code, *const c_char, c_int, *const c_char);
    destroy_buffer: b"KIM_ModelDestroy_GetModelBufferPointer\0", fn(Object, *mut *mut c_void);
    log_destroy: b"KIM_ModelDestroy_LogEntry\0", fn(Object, Code, *const c_char, c_int, *const c_char);
    compute_buffer: b"KIM_ModelCompute_GetModelBufferPointer\0", fn(Object, *mut *mut c_void);
    log_compute: b"KIM_ModelCompute_LogEntry\0", fn(Object, Code, *const c_char, c_int, *const c_char);
    support_argument: b"KIM_ModelComputeArgumentsCreate_SetArgumentSupportStatus\0", fn(Object, Code, Code) -> c_int;
    log_arguments: b"KIM_ModelComputeArgumentsCreate_LogEntry\0", fn(Object, Code, *const c_char, c_int, *const c_char);
    neighbors: b"KIM_ModelComputeArguments_GetNeighborList\0", fn(Object, c_int, c_int, *mut c_int, *mut *const c_int) -> c_int;
    integers: b"KIM_ModelComputeArguments_GetArgumentPointerInteger\0", fn(Object, Code, *mut *mut c_int) -> c_int;
    doubles: b"KIM_ModelComputeArguments_GetArgumentPointerDouble\0", fn(Object, Code, *mut *mut c_double) -> c_int;
}

fn missing(name: &[u8]) -> KimError {
    KimError::Missing(String::from_utf8_lossy(name).trim_end_matches('\0').to_owned())
}

/// The functions of the libkim-api in this process.
pub(crate) fn functions() -> Result<&'static Functions, KimError> {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    if let Some(functions) = FUNCTIONS.get() {
        return Ok(functions);
    }
    // SAFETY: the library is loaded already, nothing of it runs now
    let library = unsafe { Library::open(Some(LIBRARY), RTLD_LAZY | RTLD_NOLOAD) };
    let library = library.map_err(|_| KimError::Missing(LIBRARY.to_owned()))?;
    let functions = Functions::load(library)?;
    Ok(FUNCTIONS.get_or_init(|| functions))
}

impl Functions {
    /// The constant of this name, such as `KIM_NUMBERING_zeroBased`.
    pub(crate) fn code(&self, name: &str) -> Result<Code, KimError> {
        let symbol = format!("{name}\0");
        // SAFETY: constants of KIM are structures of one integer
        let found = unsafe { self.library.get::<*const Code>(symbol.as_bytes()) };
        let found = found.map_err(|_| missing(symbol.as_bytes()))?;
        // SAFETY: the symbol is where the constant lies
        Ok(unsafe { **found })
    }
}
