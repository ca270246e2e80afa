//! The processor as a device, for tests: the kernels compiled by the system's C++ compiler, one
//! fiber a thread (`emulator.h`).

#![allow(unsafe_code)]

use super::{Handle, Machine, Replay, Shape, Width, source};
use crate::error::{CudaError, Result};
use libloading::Library;
use std::alloc::{Layout, alloc, dealloc};
use std::ffi::{c_int, c_uint, c_void};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

const HEADER: &str = include_str!("emulator.h");
/// Device memory is aligned to this many bytes, as on a GPU.
const ALIGNMENT: usize = 256;

/// In which order the threads of a block run; results must not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Descending,
}

/// The kernels in the processor's own code. Their state (fibers, shared memory) exists once in a
/// library, so launches take turns.
struct Kernels {
    library: Mutex<Library>,
}

type Entry = unsafe extern "C" fn(*const c_uint, *const c_uint, c_uint, *const c_void);

static SINGLE: OnceLock<std::result::Result<Kernels, CudaError>> = OnceLock::new();
static DOUBLE: OnceLock<std::result::Result<Kernels, CudaError>> = OnceLock::new();

fn kernels(width: Width) -> Result<&'static Kernels> {
    let place = match width {
        Width::Single => &SINGLE,
        Width::Double => &DOUBLE,
    };
    place.get_or_init(|| compile(width)).as_ref().map_err(Clone::clone)
}

/// Where the C++ compiler is.
pub fn compiler() -> PathBuf {
    std::env::var_os("CXX").map_or_else(|| PathBuf::from("c++"), PathBuf::from)
}

fn compile(width: Width) -> Result<Kernels> {
    let text = format!("#line 1 \"emulator.h\"\n{HEADER}\n{}", source::kernels());
    let definition = source::definition(width);
    let hash = blake3::hash(format!("{definition}\n{text}").as_bytes()).to_hex();
    let folder = std::env::temp_dir();
    let library = folder.join(format!("vitrion-kernels-{}.so", &hash[..24]));
    if !library.exists() {
        let own = format!("vitrion-kernels-{}-{}", &hash[..24], std::process::id());
        let file = folder.join(format!("{own}.cpp"));
        let made = folder.join(format!("{own}.so"));
        let failed = |path: &PathBuf, doing, error: std::io::Error| CudaError::File {
            path: path.clone(),
            doing,
            message: error.to_string(),
        };
        std::fs::write(&file, text).map_err(|e| failed(&file, "write", e))?;
        let run = Command::new(compiler())
            .args(["-std=c++17", "-O2", "-shared", "-fPIC", "-fvisibility=hidden"])
            .args(["-fno-gnu-unique", definition, "-o"])
            .args([&made, &file])
            .output()
            .map_err(|e| failed(&compiler(), "run", e))?;
        if !run.status.success() {
            let log = String::from_utf8_lossy(&run.stderr).into_owned();
            return Err(CudaError::Compile { target: "the processor".to_owned(), log });
        }
        std::fs::rename(&made, &library).map_err(|e| failed(&made, "rename", e))?;
        let _ = std::fs::remove_file(&file);
    }
    // SAFETY: the library is our own source; it has no initialisers with side effects
    let opened = unsafe { Library::new(&library) };
    let opened = opened.map_err(|error| CudaError::File {
        path: library,
        doing: "load",
        message: error.to_string(),
    })?;
    Ok(Kernels { library: Mutex::new(opened) })
}

fn lock(kernels: &Kernels) -> MutexGuard<'_, Library> {
    kernels.library.lock().expect("a failing kernel ends the process")
}

/// The processor.
#[derive(Debug)]
pub(crate) struct Processor {
    order: Order,
    functions: Mutex<Vec<(Width, usize)>>,
}

impl Processor {
    pub(crate) fn new(order: Order) -> Result<Self> {
        kernels(Width::Single)?;
        Ok(Processor { order, functions: Mutex::new(Vec::new()) })
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALIGNMENT).expect("sizes of arrays")
}

impl Machine for Processor {
    fn name(&self) -> &'static str {
        "the processor, emulating a device"
    }

    fn fork(&self) -> Result<Arc<dyn Machine>> {
        Processor::new(self.order).map(|own| Arc::new(own) as Arc<dyn Machine>)
    }

    fn tensor_cores(&self) -> bool {
        true
    }

    fn shared_memory(&self) -> usize {
        227 << 10
    }

    fn memory(&self) -> Result<(usize, usize)> {
        Ok((1 << 34, 1 << 34))
    }

    fn allocate(&self, bytes: usize) -> Result<u64> {
        // SAFETY: sizes are never zero (`Device::room`)
        let address = unsafe { alloc(layout(bytes)) };
        assert!(!address.is_null(), "memory for a test");
        // what is read before it is written shows as NaN
        // SAFETY: just allocated with this size
        unsafe { address.write_bytes(0xff, bytes) };
        Ok(address as u64)
    }

    fn release(&self, address: u64, bytes: usize) {
        // SAFETY: from `allocate` with the same size
        unsafe { dealloc(address as *mut u8, layout(bytes)) };
    }

    fn upload(&self, to: u64, from: &[u8]) -> Result<()> {
        // SAFETY: buffers check that the range is inside their memory
        unsafe { (to as *mut u8).copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        Ok(())
    }

    fn download(&self, from: u64, to: &mut [u8]) -> Result<()> {
        // SAFETY: as above
        unsafe { to.as_mut_ptr().copy_from_nonoverlapping(from as *const u8, to.len()) };
        Ok(())
    }

    fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<()> {
        // SAFETY: two buffers of this size
        unsafe { (to as *mut u8).copy_from_nonoverlapping(from as *const u8, bytes) };
        Ok(())
    }

    fn fill(&self, at: u64, byte: u8, bytes: usize) -> Result<()> {
        // SAFETY: the whole of a buffer
        unsafe { (at as *mut u8).write_bytes(byte, bytes) };
        Ok(())
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }

    fn kernel(&self, width: Width, name: &'static str, arguments: usize) -> Result<Handle> {
        let library = lock(kernels(width)?);
        // SAFETY: the macro KERNEL defines both functions with these types
        let (entry, size) = unsafe {
            let entry = library.get::<Entry>(name);
            let size = library.get::<unsafe extern "C" fn() -> c_uint>(format!("{name}_size"));
            (entry.map(|entry| *entry), size.map(|size| size()))
        };
        let (Ok(entry), Ok(size)) = (entry, size) else {
            panic!("there is no kernel {name}");
        };
        assert_eq!(size as usize, arguments, "the arguments of {name} are the same on both sides");
        let mut functions = self.functions.lock().expect("no panics with it");
        functions.push((width, entry as usize));
        Ok(Handle(functions.len() - 1))
    }

    fn launch(&self, kernel: Handle, shape: Shape, arguments: &[u8]) -> Result<()> {
        let (width, entry) = self.functions.lock().expect("no panics with it")[kernel.0];
        let library = lock(kernels(width)?);
        let mut aligned = vec![0_u64; arguments.len().div_ceil(8)];
        bytemuck::cast_slice_mut::<u64, u8>(&mut aligned)[..arguments.len()]
            .copy_from_slice(arguments);
        // SAFETY: the entry has this type and its structure this size (checked in `kernel`); what it
        // points to are live buffers
        unsafe {
            let order = library.get::<unsafe extern "C" fn(c_int)>("emulator_order");
            order.expect("it is in the header")(c_int::from(self.order == Order::Descending));
            let entry: Entry = std::mem::transmute::<usize, Entry>(entry);
            let block = [shape.block, 1, 1];
            entry(shape.grid.as_ptr(), block.as_ptr(), shape.shared, aligned.as_ptr().cast());
        }
        Ok(())
    }

    fn record(&self, _: &mut dyn FnMut() -> Result<()>) -> Result<Option<Box<dyn Replay>>> {
        Ok(None)
    }
}
