//! The C interface. `include/vitrion.h` is generated from this file, comments included.
//!
//! Every function checks its pointers, catches panics and leaves a message for `vitrion_last_error`.

#![expect(unsafe_code, reason = "the edge to C: pointers of the caller")]

mod arguments;
mod failure;

use crate::hosted::{HostError, Hosted, HostedOptions, Wanted};
use arguments::{List, array, array_mut, text};
use failure::{Failure, guard, last_error};
use std::ffi::{CStr, CString, c_char, c_int};
use vitrion_core::Evaluation;
use vitrion_core::math::{Matrix3, Vector3};
use vitrion_model::{Precision, force_deviation, virial_deviation};

/// Version of this interface: it grows when a function or structure changes. Compare with vitrion_abi().
pub const VITRION_ABI: u32 = 1;

/// How a call ended; vitrion_last_error() says more.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    /// A pointer that is NULL and must not be, or a number without a meaning.
    BadArgument = 1,
    /// A model that cannot be read, or models that make no committee.
    BadModel = 2,
    /// A symbol or a type that the potential does not know.
    BadType = 3,
    /// A neighbour list that is none, or belongs to other atoms or types.
    BadList = 4,
    /// A position, an energy or a force that is not finite; see vitrion_failed_atom().
    NotFinite = 5,
    /// A fault of the library itself: a panic that was caught, or threads that cannot be had.
    Internal = 6,
}

/// Arithmetic.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Nets in single precision, everything else in double: forces to about 1e-5 eV/A, fastest.
    Mixed = 0,
    /// Double precision throughout.
    Double = 1,
}

/// How models are evaluated.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A vitrion_arithmetic.
    pub arithmetic: c_int,
    /// Threads of this process, at least 1. Results do not depend on it.
    pub threads: c_int,
}

/// A full neighbour list: every neighbour of every centre within the cut-off, and any number beyond it.
/// Copies of atoms (periodic images, atoms of other processes) are atoms of their own.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Neighbors {
    /// Number of atoms whose energies are wanted.
    pub n_centers: usize,
    /// Their indices, [n_centers].
    pub centers: *const c_int,
    /// Number of neighbours of an atom, by the index of the atom.
    pub counts: *const c_int,
    /// Neighbours of an atom, by the index of the atom: counts[i] indices.
    pub rows: *const *const c_int,
    /// What of a number in rows is an index; -1 if nothing else is in it.
    pub mask: c_int,
}

/// What an evaluation leaves. Arrays that are NULL are not wanted.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Results {
    /// Written: potential energy of the centres [eV].
    pub energy: f64,
    /// Written: W = -dE/d(strain) of the centres, row by row [eV]; positive pushes outwards.
    pub virial: [f64; 9],
    /// Added to: forces [eV/A], [n_atoms][3]. Those on copies belong to the atoms they are copies of.
    pub forces: *mut f64,
    /// Added to: energies of the centres [eV], [n_atoms].
    pub atom_energies: *mut f64,
    /// Added to: virials by atom [eV], [n_atoms][9]; that of a pair belongs to the neighbour.
    pub atom_virials: *mut f64,
    /// Written, and if not NULL all models are evaluated: [members][n_atoms][3] forces [eV/A].
    pub member_forces: *mut f64,
    /// Written: [members][9] virials [eV]; not without member_forces.
    pub member_virials: *mut f64,
    /// Written: [members] energies [eV]; not without member_forces.
    pub member_energies: *mut f64,
}

/// One potential or a committee of them, with a neighbour list. One thread at a time may use it.
#[derive(Debug)]
pub struct Model {
    hosted: Hosted,
    species: Vec<CString>,
    failed: Option<usize>,
}

/// The version of this interface that the library was built with.
#[unsafe(no_mangle)]
pub extern "C" fn vitrion_abi() -> u32 {
    VITRION_ABI
}

/// Version of vitrion, for people.
#[unsafe(no_mangle)]
pub extern "C" fn vitrion_version() -> *const c_char {
    const VERSION: &CStr =
        match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("a version has no zero bytes"),
        };
    VERSION.as_ptr()
}

/// What went wrong in the last call of this thread that did not return Ok; "" if none did. Valid until the
/// next call of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn vitrion_last_error() -> *const c_char {
    last_error()
}

/// Loads one model, or several of a committee (the first moves the atoms): files of vitrion (.safetensors)
/// or DeePMD-kit (.pb, .dp, .yaml, .json), or "builtin:NAME". NULL options are mixed arithmetic, one thread.
///
/// # Safety
/// `names` are `count` strings that end with zero; `options` is NULL or valid; `model` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_open(
    names: *const *const c_char,
    count: usize,
    options: *const Options,
    model: *mut *mut Model,
) -> Status {
    guard(|| {
        // SAFETY: promised by the caller
        let (names, options, model) =
            unsafe { (array(names, count, "names")?, options.as_ref(), model.as_mut()) };
        let model = model.ok_or(Failure::null("model"))?;
        *model = std::ptr::null_mut();
        // SAFETY: promised by the caller
        let names = names.iter().map(|name| unsafe { text(*name, "a name") });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let options = options.copied().map_or(Ok(HostedOptions::default()), host_options)?;
        let hosted = Hosted::open(&names, options)?;
        let symbols = hosted.species().symbols().iter();
        let species = symbols.map(|s| CString::new(s.as_str()).expect("letters")).collect();
        *model = Box::into_raw(Box::new(Model { hosted, species, failed: None }));
        Ok(())
    })
}

fn host_options(options: Options) -> Result<HostedOptions, Failure> {
    let precision = match options.arithmetic {
        a if a == Arithmetic::Mixed as c_int => Precision::Mixed,
        a if a == Arithmetic::Double as c_int => Precision::Double,
        other => {
            let message = format!("arithmetic is {other}; known: 0 (mixed), 1 (double)");
            return Err(Failure::argument(message));
        }
    };
    let threads = usize::try_from(options.threads).ok().filter(|threads| *threads > 0);
    let wrong = || Failure::argument(format!("threads is {}: at least 1", options.threads));
    Ok(HostedOptions { precision, threads: threads.ok_or_else(wrong)? })
}

/// Frees a model; NULL is none.
///
/// # Safety
/// `model` came from vitrion_open and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_close(model: *mut Model) {
    guard(|| {
        if !model.is_null() {
            // SAFETY: promised by the caller
            drop(unsafe { Box::from_raw(model) });
        }
        Ok(())
    });
}

/// Interaction range [A]; not a number for NULL.
///
/// # Safety
/// `model` is NULL or came from vitrion_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_cutoff(model: *const Model) -> f64 {
    // SAFETY: promised by the caller
    unsafe { model.as_ref() }.map_or(f64::NAN, |model| model.hosted.cutoff())
}

/// Number of models; 0 for NULL.
///
/// # Safety
/// `model` is NULL or came from vitrion_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_members(model: *const Model) -> usize {
    // SAFETY: promised by the caller
    unsafe { model.as_ref() }.map_or(0, |model| model.hosted.members())
}

/// Symbol of species number `index` of the potential; NULL beyond the last. Valid as long as the model.
///
/// # Safety
/// `model` is NULL or came from vitrion_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_species(model: *const Model, index: usize) -> *const c_char {
    // SAFETY: promised by the caller
    let species = unsafe { model.as_ref() }.and_then(|model| model.species.get(index));
    species.map_or(std::ptr::null(), |symbol| symbol.as_ptr())
}

/// Bytes of the neighbour list and of arrays by atom that the model keeps.
///
/// # Safety
/// `model` is NULL or came from vitrion_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_memory(model: *const Model) -> usize {
    // SAFETY: promised by the caller
    unsafe { model.as_ref() }.map_or(0, |model| model.hosted.bytes())
}

/// Says what the types of atoms are: type t is the element `symbols[t]`; NULL for atoms that the potential
/// does not see. Without this call, types are the species of the potential. The list is forgotten.
///
/// # Safety
/// `model` came from vitrion_open; `symbols` are `count` strings that end with zero, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_map_types(
    model: *mut Model,
    symbols: *const *const c_char,
    count: usize,
) -> Status {
    guard(|| {
        // SAFETY: promised by the caller
        let (model, symbols) = unsafe { (model.as_mut(), array(symbols, count, "symbols")?) };
        let model = model.ok_or(Failure::null("model"))?;
        let symbol = |symbol: &*const c_char| {
            // SAFETY: promised by the caller
            (!symbol.is_null()).then(|| unsafe { text(*symbol, "a symbol") }).transpose()
        };
        let symbols = symbols.iter().map(symbol).collect::<Result<Vec<_>, _>>()?;
        Ok(model.hosted.map_types(&symbols)?)
    })
}

/// Takes over a new neighbour list of `n_atoms` atoms, copies included. Call it whenever the list, the
/// number or the types of atoms have changed; nothing of the caller is kept.
///
/// # Safety
/// `model` came from vitrion_open; `types` has `n_atoms` entries; the list is as described there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_set_neighbors(
    model: *mut Model,
    n_atoms: usize,
    types: *const c_int,
    neighbors: *const Neighbors,
) -> Status {
    guard(|| {
        // SAFETY: promised by the caller
        let (model, types, list) =
            unsafe { (model.as_mut(), array(types, n_atoms, "types")?, neighbors.as_ref()) };
        let model = model.ok_or(Failure::null("model"))?;
        let list = list.ok_or(Failure::null("neighbors"))?;
        // SAFETY: promised by the caller
        let list = unsafe { List::new(list, n_atoms) }?;
        Ok(model.hosted.set_neighbors(types, &list)?)
    })
}

/// Energy, forces and virials of the centres at these positions [A], [n_atoms][3], of the types for which
/// the list was given.
///
/// # Safety
/// `model` came from vitrion_open; arrays have the sizes that are said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_compute(
    model: *mut Model,
    n_atoms: usize,
    types: *const c_int,
    positions: *const f64,
    results: *mut Results,
) -> Status {
    guard(|| {
        // SAFETY: promised by the caller; three numbers in a row are a vector
        let (model, types, positions, results) = unsafe {
            (
                model.as_mut(),
                array(types, n_atoms, "types")?,
                array(positions.cast::<Vector3>(), n_atoms, "positions")?,
                results.as_mut(),
            )
        };
        let model = model.ok_or(Failure::null("model"))?;
        let results = results.ok_or(Failure::null("results"))?;
        let members = !results.member_forces.is_null();
        let wanted = Wanted { atom_virials: !results.atom_virials.is_null(), members };
        model.failed = None;
        if let Err(error) = model.hosted.compute(types, positions, wanted) {
            if let HostError::NotFinite { atom, .. } | HostError::Position { atom, .. } = error {
                model.failed = Some(atom);
            }
            return Err(error.into());
        }
        // SAFETY: promised by the caller
        unsafe { hand_over(&model.hosted, n_atoms, results) };
        Ok(())
    })
}

/// Results of the last evaluation to the caller's arrays.
///
/// # Safety
/// Arrays of `results` are NULL or have their sizes.
unsafe fn hand_over(hosted: &Hosted, n_atoms: usize, results: &mut Results) {
    let (first, order) = (&hosted.evaluations()[0], hosted.order());
    results.energy = first.energy;
    results.virial.copy_from_slice(first.virial.as_flattened());
    // SAFETY: promised by the caller
    let (forces, energies, virials) = unsafe {
        (
            array_mut(results.forces.cast::<Vector3>(), n_atoms),
            array_mut(results.atom_energies, n_atoms),
            array_mut(results.atom_virials.cast::<Matrix3>(), n_atoms),
        )
    };
    if let Some(forces) = forces {
        for (atom, force) in order.iter().zip(&first.forces) {
            let sum = &mut forces[*atom as usize];
            (0..3).for_each(|k| sum[k] += force[k]);
        }
    }
    if let Some(energies) = energies {
        for (atom, energy) in order.iter().zip(&first.atom_energies) {
            energies[*atom as usize] += energy;
        }
    }
    if let Some(virials) = virials {
        for (atom, virial) in order.iter().zip(&first.atom_virials) {
            let sum = virials[*atom as usize].as_flattened_mut();
            sum.iter_mut().zip(virial.as_flattened()).for_each(|(sum, v)| *sum += v);
        }
    }
    let all = hosted.evaluations();
    // SAFETY: promised by the caller
    let (forces, virials, energies) = unsafe {
        (
            array_mut(results.member_forces.cast::<Vector3>(), all.len() * n_atoms),
            array_mut(results.member_virials.cast::<Matrix3>(), all.len()),
            array_mut(results.member_energies, all.len()),
        )
    };
    let Some(forces) = forces else { return };
    forces.fill([0.0; 3]);
    if n_atoms > 0 {
        for (forces, evaluation) in forces.chunks_exact_mut(n_atoms).zip(all) {
            for (atom, force) in order.iter().zip(&evaluation.forces) {
                forces[*atom as usize] = *force;
            }
        }
    }
    let of = |evaluation: &Evaluation| evaluation.virial;
    virials.into_iter().flatten().zip(all).for_each(|(out, e)| *out = of(e));
    energies.into_iter().flatten().zip(all).for_each(|(out, e)| *out = e.energy);
}

/// The atom whose position, energy or force was not finite in the last evaluation; -1 if there was none.
///
/// # Safety
/// `model` is NULL or came from vitrion_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_failed_atom(model: *const Model) -> i64 {
    // SAFETY: promised by the caller
    let failed = unsafe { model.as_ref() }.and_then(|model| model.failed);
    failed.map_or(-1, |atom| atom as i64)
}

/// Disagreement about forces: out[i] = sqrt(mean over members of |F_i - mean F_i|^2) [eV/A] of the first
/// `n_atoms` atoms of `forces`, [members][stride][3]. Forces on copies must be added to their atoms first.
///
/// # Safety
/// `forces` and `out` have these sizes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_force_deviation(
    members: usize,
    n_atoms: usize,
    stride: usize,
    forces: *const f64,
    out: *mut f64,
) -> Status {
    guard(|| {
        if members == 0 || stride < n_atoms {
            let found = format!("{members} members, {n_atoms} of {stride} atoms");
            return Err(Failure::argument(format!(
                "{found}: at least one member, stride >= n_atoms"
            )));
        }
        // SAFETY: promised by the caller
        let (forces, out) = unsafe {
            (array(forces.cast::<Vector3>(), members * stride, "forces")?, array_mut(out, n_atoms))
        };
        let mut found = Vec::with_capacity(n_atoms);
        force_deviation(members, n_atoms, |m, i| forces[m * stride + i], &mut found);
        out.ok_or(Failure::null("out"))?.copy_from_slice(&found);
        Ok(())
    })
}

/// Disagreement about the virial: out[ab] = standard deviation over members of W_ab / n_atoms [eV], where
/// `virials`, [members][9], are those of all `n_atoms` atoms of all processes.
///
/// # Safety
/// `virials` has this size, and `out` nine numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vitrion_virial_deviation(
    members: usize,
    n_atoms: usize,
    virials: *const f64,
    out: *mut f64,
) -> Status {
    guard(|| {
        if members == 0 {
            return Err(Failure::argument("no members".to_owned()));
        }
        // SAFETY: promised by the caller
        let (virials, out) =
            unsafe { (array(virials.cast::<Matrix3>(), members, "virials")?, array_mut(out, 9)) };
        let found = virial_deviation(members, n_atoms, |m| virials[m]);
        out.ok_or(Failure::null("out"))?.copy_from_slice(found.as_flattened());
        Ok(())
    })
}
