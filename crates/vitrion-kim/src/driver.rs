//! A model from its parameter files, and what KIM must know of it.

#![expect(unsafe_code, reason = "the edge to C: objects of KIM")]

use crate::api::{self, Code, Functions, Object, Routine};
use crate::compute;
use crate::{KimError, settings};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use vitrion_capi::{Hosted, panic_message};
use vitrion_core::Vector3;

/// `KIM_ModelDriverCreateFunction`
pub(crate) type Create = unsafe extern "C" fn(Object, Code, Code, Code, Code, Code) -> c_int;

/// What changes from evaluation to evaluation.
pub(crate) struct Scratch {
    pub(crate) hosted: Hosted,
    /// Positions in Å.
    pub(crate) positions: Vec<Vector3>,
}

/// What KIM keeps for us: one model in the units of one simulator.
pub(crate) struct Driver {
    /// KIM does not promise that one model is evaluated by one thread at a time.
    pub(crate) scratch: Mutex<Scratch>,
    /// One ångström and one electronvolt in the units of the simulator.
    pub(crate) length: f64,
    pub(crate) energy: f64,
    /// Constants of KIM that every evaluation needs.
    pub(crate) arguments: compute::Arguments,
    /// In the unit of the simulator; KIM keeps the address.
    cutoff: f64,
    /// Ghosts are never centres.
    only_contributing: c_int,
}

/// KIM's way to say that a routine failed.
pub(crate) const FAILED: c_int = 1;

/// A result of Rust for KIM; panics become errors.
pub(crate) fn guard(call: impl FnOnce() -> Result<(), KimError>) -> Result<(), KimError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|panic| Err(KimError::Panic(panic_message(&*panic).to_owned())))
}

/// Writes an error to the log of KIM.
pub(crate) fn log(
    entry: unsafe extern "C" fn(Object, Code, *const c_char, c_int, *const c_char),
    object: Object,
    functions: &Functions,
    error: &KimError,
) {
    let Ok(verbosity) = functions.code("KIM_LOG_VERBOSITY_error") else { return };
    let text = CString::new(error.to_string().replace('\0', " ")).expect("zeros were replaced");
    // SAFETY: an object of KIM, strings that end with zero
    unsafe { entry(object, verbosity, text.as_ptr(), line!() as c_int, c"vitrion".as_ptr()) };
}

/// Says what is wrong where not even KIM's log can be found.
#[expect(clippy::print_stderr, reason = "the only place left for a message")]
fn without_log(error: &KimError) -> c_int {
    eprintln!("vitrion: {error}");
    FAILED
}

/// `KIM_ModelDriverCreateFunction`
pub(crate) unsafe extern "C" fn create(
    object: Object,
    length: Code,
    energy: Code,
    _charge: Code,
    _temperature: Code,
    _time: Code,
) -> c_int {
    let functions = match api::functions() {
        Ok(functions) => functions,
        Err(error) => return without_log(&error),
    };
    // SAFETY: KIM gives an object that lives while this runs
    match guard(|| unsafe { make(functions, object, length, energy) }) {
        Ok(()) => 0,
        Err(error) => {
            log(functions.log_create, object, functions, &error);
            FAILED
        }
    }
}

/// # Safety
/// `object` is a `KIM_ModelDriverCreate`.
unsafe fn make(
    kim: &Functions,
    object: Object,
    length: Code,
    energy: Code,
) -> Result<(), KimError> {
    // SAFETY: promised by the caller
    let files = unsafe { parameter_files(kim, object) }?;
    let mut options = settings::parse("")?;
    let mut models = Vec::new();
    for file in files {
        if file.file_name().is_some_and(|name| name == settings::FILE) {
            let text = std::fs::read_to_string(&file);
            options = settings::parse(&text.map_err(|e| KimError::Settings(e.to_string()))?)?;
        } else {
            models.push(file);
        }
    }
    let [model] = models.as_slice() else {
        let message =
            format!("expected one potential among the parameter files, found {}", models.len());
        return Err(KimError::Settings(message));
    };
    let name = model.to_str().ok_or(KimError::Refused("a name of a file that is not UTF-8"))?;
    let hosted = Hosted::open(&[name], options)?;
    // SAFETY: promised by the caller
    let (length_factor, energy_factor) = unsafe { units(kim, object, length, energy) }?;
    let symbols = hosted.species().symbols().to_vec();
    let driver = Box::new(Driver {
        cutoff: hosted.cutoff() * length_factor,
        scratch: Mutex::new(Scratch { hosted, positions: Vec::new() }),
        length: length_factor,
        energy: energy_factor,
        arguments: compute::Arguments::new(kim)?,
        only_contributing: 1,
    });
    let zero_based = kim.code("KIM_NUMBERING_zeroBased")?;
    // SAFETY: promised by the caller
    accept("zero-based numbers", unsafe { (kim.set_numbering)(object, zero_based) })?;
    for (code, symbol) in symbols.iter().enumerate() {
        let species = kim.code(&format!("KIM_SPECIES_NAME_{symbol}"))?;
        // SAFETY: promised by the caller
        accept("a species", unsafe { (kim.set_species)(object, species, code as c_int) })?;
    }
    let language = kim.code("KIM_LANGUAGE_NAME_c")?;
    for (name, routine) in compute::ROUTINES {
        let name = kim.code(name)?;
        // SAFETY: promised by the caller; routines have the types of their names
        let status = unsafe { (kim.set_routine)(object, name, language, 1, Some(routine)) };
        accept("a routine", status)?;
    }
    let driver = Box::into_raw(driver);
    // SAFETY: the box lives until KIM calls `destroy`
    unsafe {
        (kim.set_influence_distance)(object, &raw const (*driver).cutoff);
        let (cutoff, only) = (&raw const (*driver).cutoff, &raw const (*driver).only_contributing);
        (kim.set_neighbor_lists)(object, 1, cutoff, only);
        (kim.set_buffer)(object, driver.cast::<c_void>());
    }
    Ok(())
}

fn accept(what: &'static str, status: c_int) -> Result<(), KimError> {
    if status == 0 { Ok(()) } else { Err(KimError::Refused(what)) }
}

/// # Safety
/// `object` is a `KIM_ModelDriverCreate`.
unsafe fn parameter_files(kim: &Functions, object: Object) -> Result<Vec<PathBuf>, KimError> {
    let (mut count, mut folder) = (0, std::ptr::null());
    // SAFETY: promised by the caller
    unsafe {
        (kim.parameter_files)(object, &raw mut count);
        (kim.parameter_directory)(object, &raw mut folder);
    }
    // SAFETY: strings of KIM end with zero
    let text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    let folder = PathBuf::from(text(folder));
    (0..count)
        .map(|index| {
            let mut name = std::ptr::null();
            // SAFETY: promised by the caller
            let status = unsafe { (kim.parameter_file)(object, index, &raw mut name) };
            accept("to name a parameter file", status)?;
            Ok(folder.join(text(name)))
        })
        .collect()
}

/// Agrees to the simulator's units of length and energy; one Å and one eV in them.
///
/// # Safety
/// `object` is a `KIM_ModelDriverCreate`.
unsafe fn units(
    kim: &Functions,
    object: Object,
    length: Code,
    energy: Code,
) -> Result<(f64, f64), KimError> {
    let own = [
        kim.code("KIM_LENGTH_UNIT_A")?,
        kim.code("KIM_ENERGY_UNIT_eV")?,
        kim.code("KIM_CHARGE_UNIT_e")?,
        kim.code("KIM_TEMPERATURE_UNIT_K")?,
        kim.code("KIM_TIME_UNIT_ps")?,
    ];
    let [a, e, q, t, s] = own;
    let factor = |length_exponent: f64, energy_exponent: f64| {
        let mut factor = 0.0;
        // SAFETY: values only
        let status = unsafe {
            (kim.convert_unit)(
                a,
                e,
                q,
                t,
                s,
                length,
                energy,
                q,
                t,
                s,
                length_exponent,
                energy_exponent,
                0.0,
                0.0,
                0.0,
                &raw mut factor,
            )
        };
        accept("to convert Å and eV to the simulator's units", status).map(|()| factor)
    };
    let factors = (factor(1.0, 0.0)?, factor(0.0, 1.0)?);
    let unused =
        ["CHARGE", "TEMPERATURE", "TIME"].map(|kind| kim.code(&format!("KIM_{kind}_UNIT_unused")));
    let [charge, temperature, time] = unused;
    // SAFETY: promised by the caller
    let status = unsafe { (kim.set_units)(object, length, energy, charge?, temperature?, time?) };
    accept("the units", status).map(|()| factors)
}

/// `KIM_ModelDestroyFunction`
pub(crate) unsafe extern "C" fn destroy(object: Object) -> c_int {
    let Ok(kim) = api::functions() else { return FAILED };
    let mut buffer = std::ptr::null_mut();
    // SAFETY: a `KIM_ModelDestroy`
    unsafe { (kim.destroy_buffer)(object, &raw mut buffer) };
    if buffer.is_null() {
        return 0; // KIM gave up before there was a model
    }
    // SAFETY: the buffer is that of `make`, and nobody uses it again
    let freed = guard(|| {
        drop(unsafe { Box::from_raw(buffer.cast::<Driver>()) });
        Ok(())
    });
    match freed {
        Ok(()) => 0,
        Err(error) => {
            log(kim.log_destroy, object, kim, &error);
            FAILED
        }
    }
}

/// A routine without its type.
pub(crate) const fn routine<F: Copy>(function: F) -> Routine {
    assert!(size_of::<F>() == size_of::<Routine>());
    // SAFETY: function pointers have one size; KIM calls them by their real type
    unsafe { std::mem::transmute_copy::<F, Routine>(&function) }
}
