//! An NVIDIA GPU through the CUDA driver, loaded at run time; kernels compiled by NVRTC and kept.

#![allow(unsafe_code)]

use super::{Handle, Machine, Replay, Shape, Width, driver_error, source};
use crate::error::{CudaError, Result};
use cudarc::driver::sys::{self, CUfunction, CUmodule, CUstream};
use cudarc::driver::{CudaContext, DriverError, result};
use cudarc::nvrtc;
use std::ffi::{CString, c_void};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

fn driver_is_there() -> bool {
    // SAFETY: only looks for the library
    unsafe { sys::is_culib_present() }
}

fn failed(doing: &'static str) -> impl FnOnce(DriverError) -> CudaError {
    move |error| driver_error(doing, error)
}

/// Number of devices.
pub(super) fn count() -> Result<usize> {
    if !driver_is_there() {
        return Err(CudaError::NoDriver);
    }
    result::init().map_err(failed("starting"))?;
    let count = result::device::get_count().map_err(failed("counting devices"))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// One GPU with a stream of its own.
#[derive(Debug)]
pub(super) struct Card {
    context: Arc<CudaContext>,
    stream: CUstream,
    name: String,
    /// "sm_90"
    target: String,
    modules: Mutex<Vec<(Width, usize)>>,
}

// SAFETY: the driver's handles may be used from any thread; every call binds the context first
unsafe impl Send for Card {}
// SAFETY: as above; the driver serialises what is put into one stream
unsafe impl Sync for Card {}

impl Card {
    pub(super) fn open(ordinal: usize) -> Result<Self> {
        let count = count()?;
        if ordinal >= count {
            return Err(CudaError::NoDevice { ordinal, count });
        }
        let context = CudaContext::new(ordinal).map_err(failed("opening the device"))?;
        let name = context.name().map_err(failed("asking for its name"))?;
        let (major, minor) = context.compute_capability().map_err(failed("asking what it is"))?;
        let mut version = 0;
        // SAFETY: writes one integer
        unsafe { sys::cuDriverGetVersion(&raw mut version) }
            .result()
            .map_err(failed("asking for its version"))?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(failed("making a stream"))?;
        Ok(Card {
            context,
            stream,
            name: format!(
                "{name}, CUDA driver {}.{}, compute capability {major}.{minor}",
                version / 1000,
                version % 1000 / 10
            ),
            target: format!("sm_{major}{minor}"),
            modules: Mutex::new(Vec::new()),
        })
    }

    fn bind(&self) -> Result<()> {
        self.context.bind_to_thread().map_err(failed("choosing the device"))
    }

    fn module(&self, width: Width) -> Result<CUmodule> {
        let mut modules = self.modules.lock().expect("no thread panics with it");
        if let Some((_, module)) = modules.iter().find(|(of, _)| *of == width) {
            return Ok(*module as CUmodule);
        }
        let image = image(width, &self.target, &self.name)?;
        // SAFETY: a complete image, alive during the call
        let module = unsafe { result::module::load_data(image.as_ptr().cast()) }
            .map_err(failed("loading the kernels"))?;
        modules.push((width, module as usize));
        Ok(module)
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        if self.bind().is_err() {
            return;
        }
        let modules = self.modules.get_mut().expect("no thread panics with it");
        // SAFETY: made by this card; nothing else uses them any more
        unsafe {
            let _ = result::stream::synchronize(self.stream);
            for (_, module) in modules.iter() {
                let _ = result::module::unload(*module as CUmodule);
            }
            let _ = result::stream::destroy(self.stream);
        }
    }
}

impl Machine for Card {
    fn name(&self) -> &str {
        &self.name
    }

    fn memory(&self) -> Result<(usize, usize)> {
        self.bind()?;
        result::mem_get_info().map_err(failed("asking for its memory"))
    }

    fn allocate(&self, bytes: usize) -> Result<u64> {
        self.bind()?;
        // SAFETY: released in `release`
        unsafe { result::malloc_sync(bytes) }.map_err(|error| {
            if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
                let free = self.memory().map_or(0, |(free, _)| free);
                CudaError::OutOfMemory { wanted_mib: bytes >> 20, free_mib: free >> 20 }
            } else {
                driver_error("allocating memory", error)
            }
        })
    }

    fn release(&self, address: u64, _: usize) {
        if self.bind().is_ok() {
            // SAFETY: from `allocate`; the driver waits for work that uses it
            let _ = unsafe { result::free_sync(address) };
        }
    }

    fn upload(&self, to: u64, from: &[u8]) -> Result<()> {
        self.bind()?;
        // SAFETY: buffers check the range; pageable memory has been read when the call returns
        unsafe { result::memcpy_htod_async(to, from, self.stream) }
            .map_err(failed("copying to the device"))
    }

    fn download(&self, from: u64, to: &mut [u8]) -> Result<()> {
        self.bind()?;
        // SAFETY: buffers check the range; the stream is waited for before `to` is looked at
        unsafe {
            result::memcpy_dtoh_async(to, from, self.stream)
                .map_err(failed("copying from the device"))?;
            result::stream::synchronize(self.stream).map_err(failed("computing"))
        }
    }

    fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<()> {
        self.bind()?;
        // SAFETY: two buffers of this size
        unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream) }
            .map_err(failed("copying on the device"))
    }

    fn fill(&self, at: u64, byte: u8, bytes: usize) -> Result<()> {
        self.bind()?;
        // SAFETY: the whole of a buffer
        unsafe { result::memset_d8_async(at, byte, bytes, self.stream) }
            .map_err(failed("clearing memory"))
    }

    fn synchronize(&self) -> Result<()> {
        self.bind()?;
        // SAFETY: the card's own stream
        unsafe { result::stream::synchronize(self.stream) }.map_err(failed("computing"))
    }

    fn kernel(&self, width: Width, name: &'static str, _: usize) -> Result<Handle> {
        self.bind()?;
        let module = self.module(width)?;
        let text = CString::new(name).expect("names of kernels have no zeros");
        // SAFETY: a loaded module
        let function = unsafe { result::module::get_function(module, text) }
            .map_err(failed("looking for a kernel"))?;
        Ok(Handle(function as usize))
    }

    fn launch(&self, kernel: Handle, shape: Shape, arguments: &[u8]) -> Result<()> {
        self.bind()?;
        let function = kernel.0 as CUfunction;
        let mut pointers = [arguments.as_ptr().cast_mut().cast::<c_void>()];
        if shape.shared > 48 << 10 {
            // SAFETY: a function of a loaded module
            unsafe {
                result::function::set_function_attribute(
                    function,
                    sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    shape.shared as i32,
                )
            }
            .map_err(failed("asking for shared memory"))?;
        }
        let [x, y, z] = shape.grid;
        // SAFETY: the kernel takes one structure of this size (tests check both sides); the driver
        // copies it during the call; addresses in it are those of live buffers
        unsafe {
            result::launch_kernel(
                function,
                (x, y, z),
                (shape.block, 1, 1),
                shape.shared,
                self.stream,
                &mut pointers,
            )
        }
        .map_err(failed("starting a kernel"))
    }

    fn record(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<Option<Box<dyn Replay>>> {
        self.bind()?;
        let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the card's own stream; the capture is ended below whatever happens
        unsafe { result::stream::begin_capture(self.stream, mode) }
            .map_err(failed("recording launches"))?;
        let worked = work();
        // SAFETY: begun above
        let graph = unsafe { result::stream::end_capture(self.stream) };
        worked?;
        let graph = graph.map_err(failed("recording launches"))?;
        // SAFETY: a complete graph; it is not needed once there is an executable one
        let executable = unsafe {
            let flags =
                sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
            let executable = result::graph::instantiate(graph, flags);
            let _ = result::graph::destroy(graph);
            executable.map_err(failed("preparing recorded launches"))?
        };
        Ok(Some(Box::new(Recorded {
            context: Arc::clone(&self.context),
            stream: self.stream,
            executable,
        })))
    }
}

#[derive(Debug)]
struct Recorded {
    context: Arc<CudaContext>,
    stream: CUstream,
    executable: sys::CUgraphExec,
}

// SAFETY: as for `Card`
unsafe impl Send for Recorded {}

impl Replay for Recorded {
    fn run(&self) -> Result<()> {
        self.context.bind_to_thread().map_err(failed("choosing the device"))?;
        // SAFETY: buffers of the recorded launches outlive the recording (its owner sees to it)
        unsafe { result::graph::launch(self.executable, self.stream) }
            .map_err(failed("replaying launches"))
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: made by `record`
            let _ = unsafe { result::graph::exec_destroy(self.executable) };
        }
    }
}

/// Where compiled kernels are kept: `VITRION_CACHE`, or `vitrion` in the user's cache folder.
fn cache() -> Option<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|x| !x.is_empty()).map(PathBuf::from);
    given("VITRION_CACHE")
        .or_else(|| given("XDG_CACHE_HOME").map(|folder| folder.join("vitrion")))
        .or_else(|| given("HOME").map(|folder| folder.join(".cache/vitrion")))
}

/// The kernels for `target`, from the cache or compiled.
fn image(width: Width, target: &str, device: &str) -> Result<Vec<u8>> {
    let text = source::kernels();
    let definition = source::definition(width);
    let key = blake3::hash(format!("1 {definition} {target}\n{text}").as_bytes()).to_hex();
    let kept = cache().map(|folder| folder.join(format!("kernels-{target}-{}.cubin", &key[..32])));
    if let Some(path) = &kept
        && let Ok(image) = std::fs::read(path)
    {
        return Ok(image);
    }
    let image = compile(&text, definition, target).map_err(|error| match error {
        CudaError::NoCompiler { .. } => CudaError::NoCompiler { device: device.to_owned() },
        other => other,
    })?;
    if let Some(path) = &kept {
        keep(path, &image); // a cache that cannot be written costs seconds, nothing else
    }
    Ok(image)
}

/// Writes under another name and renames, so that nobody reads half a file.
fn keep(path: &std::path::Path, image: &[u8]) {
    let Some(folder) = path.parent() else { return };
    let temporary = path.with_extension(format!("{}", std::process::id()));
    if std::fs::create_dir_all(folder).is_ok() && std::fs::write(&temporary, image).is_ok() {
        let _ = std::fs::rename(&temporary, path);
    }
}

/// Machine code of the kernels for a target such as "sm_90".
pub(crate) fn compile(text: &str, definition: &str, target: &str) -> Result<Vec<u8>> {
    // SAFETY: only looks for the library
    if !unsafe { nvrtc::sys::is_culib_present() } {
        return Err(CudaError::NoCompiler { device: target.to_owned() });
    }
    let text = CString::new(text).expect("sources have no zeros");
    let fail = |error: nvrtc::result::NvrtcError| driver_error("compiling the kernels", error);
    let program = nvrtc::result::create_program(&text, Some(c"vitrion.cu")).map_err(fail)?;
    let options =
        [definition.to_owned(), format!("--gpu-architecture={target}"), "--std=c++17".to_owned()];
    // SAFETY: the program is destroyed only at the end
    let made = unsafe {
        if nvrtc::result::compile_program(program, &options).is_ok() {
            machine_code(program).map_err(fail)
        } else {
            let log = nvrtc::result::get_program_log(program).unwrap_or_default();
            let bytes: Vec<u8> = log.iter().map(|c| *c as u8).filter(|c| *c != 0).collect();
            let log = String::from_utf8_lossy(&bytes).into_owned();
            Err(CudaError::Compile { target: target.to_owned(), log })
        }
    };
    // SAFETY: made above
    let _ = unsafe { nvrtc::result::destroy_program(program) };
    made
}

/// # Safety
/// A compiled program.
unsafe fn machine_code(
    program: nvrtc::sys::nvrtcProgram,
) -> std::result::Result<Vec<u8>, nvrtc::result::NvrtcError> {
    let mut size = 0;
    // SAFETY: as the caller promises; the buffer has the size the library asks for
    unsafe {
        nvrtc::sys::nvrtcGetCUBINSize(program, &raw mut size).result()?;
        let mut image = vec![0_u8; size];
        nvrtc::sys::nvrtcGetCUBIN(program, image.as_mut_ptr().cast()).result()?;
        Ok(image)
    }
}
