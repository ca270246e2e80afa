//! One evaluation for KIM.

#![expect(unsafe_code, reason = "the edge to C: arrays of the simulator")]

use crate::KimError;
use crate::api::{self, Code, Functions, Object, Routine};
use crate::driver::{self, Driver, FAILED, guard, log, routine};
use std::ffi::c_int;
use std::slice;
use std::sync::PoisonError;
use vitrion_capi::{Centers, HostError, Hosted, Wanted};
use vitrion_core::Vector3;
use vitrion_core::math::Matrix3;

type OnObject = unsafe extern "C" fn(Object) -> c_int;
type OnTwo = unsafe extern "C" fn(Object, Object) -> c_int;

/// All routines of the driver; without parameters that a simulator may change there is nothing to refresh.
pub(crate) const ROUTINES: [(&str, Routine); 4] = [
    ("KIM_MODEL_ROUTINE_NAME_Destroy", routine::<OnObject>(driver::destroy)),
    ("KIM_MODEL_ROUTINE_NAME_Compute", routine::<OnTwo>(compute)),
    ("KIM_MODEL_ROUTINE_NAME_ComputeArgumentsCreate", routine::<OnTwo>(create_arguments)),
    ("KIM_MODEL_ROUTINE_NAME_ComputeArgumentsDestroy", routine::<OnTwo>(destroy_arguments)),
];

/// Arguments that a simulator may want.
const OPTIONAL: [&str; 5] = [
    "partialEnergy",
    "partialForces",
    "partialParticleEnergy",
    "partialVirial",
    "partialParticleVirial",
];

/// Names of arguments as KIM numbers them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments {
    particles: Code,
    species: Code,
    contributing: Code,
    coordinates: Code,
    optional: [Code; 5],
}

fn argument(kim: &Functions, name: &str) -> Result<Code, KimError> {
    kim.code(&format!("KIM_COMPUTE_ARGUMENT_NAME_{name}"))
}

impl Arguments {
    pub(crate) fn new(kim: &Functions) -> Result<Self, KimError> {
        let mut optional = [Code(0); 5];
        for (code, name) in optional.iter_mut().zip(OPTIONAL) {
            *code = argument(kim, name)?;
        }
        Ok(Arguments {
            particles: argument(kim, "numberOfParticles")?,
            species: argument(kim, "particleSpeciesCodes")?,
            contributing: argument(kim, "particleContributing")?,
            coordinates: argument(kim, "coordinates")?,
            optional,
        })
    }
}

/// `KIM_ModelComputeArgumentsCreateFunction`: says what can be had.
unsafe extern "C" fn create_arguments(_: Object, object: Object) -> c_int {
    let Ok(kim) = api::functions() else { return FAILED };
    let supported = guard(|| {
        let status = kim.code("KIM_SUPPORT_STATUS_optional")?;
        for name in OPTIONAL {
            let name = argument(kim, name)?;
            // SAFETY: a `KIM_ModelComputeArgumentsCreate`
            if unsafe { (kim.support_argument)(object, name, status) } != 0 {
                return Err(KimError::Refused("an argument"));
            }
        }
        Ok(())
    });
    match supported {
        Ok(()) => 0,
        Err(error) => {
            log(kim.log_arguments, object, kim, &error);
            FAILED
        }
    }
}

/// `KIM_ModelComputeArgumentsDestroyFunction`: nothing was made.
unsafe extern "C" fn destroy_arguments(_: Object, _: Object) -> c_int {
    0
}

/// `KIM_ModelComputeFunction`
unsafe extern "C" fn compute(object: Object, arguments: Object) -> c_int {
    let Ok(kim) = api::functions() else { return FAILED };
    // SAFETY: KIM gives objects that live while this runs, with arrays as it documents
    match guard(|| unsafe { evaluate(kim, object, arguments) }) {
        Ok(()) => 0,
        Err(error) => {
            log(kim.log_compute, object, kim, &error);
            FAILED
        }
    }
}

/// Particles of the simulator.
struct Particles<'a> {
    kim: &'a Functions,
    arguments: Object,
    centers: Vec<usize>,
}

impl Centers for Particles<'_> {
    fn centers(&self) -> impl ExactSizeIterator<Item = usize> {
        self.centers.iter().copied()
    }

    fn neighbors(&self, atom: usize) -> Result<&[c_int], HostError> {
        let (mut count, mut row) = (0, std::ptr::null());
        // SAFETY: a `KIM_ModelComputeArguments`; the row is valid until the next one is asked for
        let status = unsafe {
            (self.kim.neighbors)(self.arguments, 0, atom as c_int, &raw mut count, &raw mut row)
        };
        let count = usize::try_from(count).map_err(|_| HostError::NoNeighbors { atom })?;
        match status {
            0 if count == 0 => Ok(&[]),
            // SAFETY: so many neighbours lie there
            0 if !row.is_null() => Ok(unsafe { slice::from_raw_parts(row, count) }),
            _ => Err(HostError::NoNeighbors { atom }),
        }
    }
}

/// # Safety
/// A `KIM_ModelCompute` and a `KIM_ModelComputeArguments`.
unsafe fn evaluate(kim: &Functions, object: Object, arguments: Object) -> Result<(), KimError> {
    let mut buffer = std::ptr::null_mut();
    // SAFETY: the buffer is that of `driver::make`
    let driver = unsafe {
        (kim.compute_buffer)(object, &raw mut buffer);
        &*buffer.cast::<Driver>()
    };
    // what a panic left is made anew: positions and list are those of this evaluation
    let scratch = &mut *driver.scratch.lock().unwrap_or_else(PoisonError::into_inner);
    let names = driver.arguments;
    let integers = |name: Code| {
        let mut pointer = std::ptr::null_mut();
        // SAFETY: promised by the caller
        let status = unsafe { (kim.integers)(arguments, name, &raw mut pointer) };
        if status == 0 { Ok(pointer) } else { Err(KimError::Refused("an array of integers")) }
    };
    let doubles = |name: Code| {
        let mut pointer = std::ptr::null_mut();
        // SAFETY: promised by the caller
        let status = unsafe { (kim.doubles)(arguments, name, &raw mut pointer) };
        if status == 0 { Ok(pointer) } else { Err(KimError::Refused("an array of numbers")) }
    };
    let (n, codes, contributing) =
        (integers(names.particles)?, integers(names.species)?, integers(names.contributing)?);
    let coordinates = doubles(names.coordinates)?.cast::<Vector3>();
    // SAFETY: NULL or one number
    let n = *unsafe { n.as_ref() }.ok_or(KimError::Refused("the number of particles"))?;
    let n = usize::try_from(n).map_err(|_| KimError::Particles(n))?;
    // SAFETY: arrays have an entry for each particle
    let (codes, contributing, coordinates) =
        unsafe { (array(codes, n)?, array(contributing, n)?, array(coordinates, n)?) };
    scratch.positions.clear();
    scratch.positions.extend(coordinates.iter().map(|r| r.map(|x| x / driver.length)));
    let centers = (0..n).filter(|i| contributing[*i] == 1).collect();
    scratch.hosted.set_neighbors(codes, &Particles { kim, arguments, centers })?;
    let mut pointers = [std::ptr::null_mut(); 5];
    for (pointer, name) in pointers.iter_mut().zip(names.optional) {
        *pointer = doubles(name)?;
    }
    let wanted = Wanted { atom_virials: !pointers[4].is_null(), members: false };
    scratch.hosted.compute(codes, &scratch.positions, wanted)?;
    // SAFETY: arrays that are not NULL have the sizes that KIM documents
    unsafe { hand_over(driver, &scratch.hosted, n, pointers) };
    Ok(())
}

/// The entries at `pointer`, which may be NULL where there are none.
///
/// # Safety
/// NULL or `n` entries.
unsafe fn array<'a, T>(pointer: *const T, n: usize) -> Result<&'a [T], KimError> {
    match n {
        0 => Ok(&[]),
        _ if pointer.is_null() => Err(KimError::Refused("an array of the particles")),
        // SAFETY: promised by the caller
        _ => Ok(unsafe { slice::from_raw_parts(pointer, n) }),
    }
}

/// `∂E/∂ε` in the order xx, yy, zz, yz, xz, xy of KIM, which has the other sign than a virial here.
fn strain_derivative(w: &Matrix3, unit: f64) -> [f64; 6] {
    let order = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)];
    order.map(|(a, b)| -0.5 * (w[a][b] + w[b][a]) * unit)
}

/// Results in the simulator's units; all arrays are overwritten.
///
/// # Safety
/// Pointers are NULL or lead to 1, `[n][3]`, `[n]`, 6 and `[n][6]` numbers.
unsafe fn hand_over(driver: &Driver, hosted: &Hosted, n: usize, pointers: [*mut f64; 5]) {
    let [total, forces, energies, virial, virials] = pointers;
    let (result, order, unit) = (&hosted.evaluations()[0], hosted.order(), driver.energy);
    if !total.is_null() {
        // SAFETY: promised by the caller
        unsafe { *total = result.energy * unit };
    }
    if !forces.is_null() {
        // SAFETY: promised by the caller
        let forces = unsafe { slice::from_raw_parts_mut(forces.cast::<Vector3>(), n) };
        forces.fill([0.0; 3]);
        for (atom, force) in order.iter().zip(&result.forces) {
            forces[*atom as usize] = force.map(|f| f * unit / driver.length);
        }
    }
    if !energies.is_null() {
        // SAFETY: promised by the caller
        let energies = unsafe { slice::from_raw_parts_mut(energies, n) };
        energies.fill(0.0);
        for (atom, energy) in order.iter().zip(&result.atom_energies) {
            energies[*atom as usize] = energy * unit;
        }
    }
    if !virial.is_null() {
        // SAFETY: promised by the caller
        let out = unsafe { slice::from_raw_parts_mut(virial, 6) };
        out.copy_from_slice(&strain_derivative(&result.virial, unit));
    }
    if !virials.is_null() {
        // SAFETY: promised by the caller
        let virials = unsafe { slice::from_raw_parts_mut(virials.cast::<[f64; 6]>(), n) };
        virials.fill([0.0; 6]);
        for (atom, w) in order.iter().zip(&result.atom_virials) {
            virials[*atom as usize] = strain_derivative(w, unit);
        }
    }
}
