//! An NVIDIA GPU through the CUDA driver, loaded at run time; kernels compiled by NVRTC and kept.

#![allow(unsafe_code)]

mod images;

use super::{Handle, Machine, Replay, Shape, Width, driver_error, source};
use crate::error::{CudaError, Result};
use cudarc::driver::sys::CUdevice_attribute_enum as Attribute;
use cudarc::driver::sys::CUfunction_attribute_enum as FunctionAttribute;
use cudarc::driver::sys::{self, CUfunction, CUmodule, CUstream};
use cudarc::driver::{CudaContext, DriverError, result};
use std::ffi::{CString, c_void};
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

/// One GPU and the kernels that were loaded on it.
#[derive(Debug)]
struct Gpu {
    context: Arc<CudaContext>,
    name: String,
    /// "sm_90"
    target: String,
    /// CUDA version of the driver, 1000 major + 10 minor.
    driver: i32,
    /// Shared memory that a block may have [bytes].
    shared: usize,
    /// Whether copies from the host's memory may still read it after their call.
    lazy_copies: bool,
    /// Compute capability 8.0 or later.
    ampere: bool,
    modules: Mutex<Vec<(Width, usize)>>,
}

impl Gpu {
    fn bind(&self) -> Result<()> {
        self.context.bind_to_thread().map_err(failed("choosing the device"))
    }

    fn module(&self, width: Width) -> Result<CUmodule> {
        let mut modules = self.modules.lock().expect("no thread panics with it");
        if let Some((_, module)) = modules.iter().find(|(of, _)| *of == width) {
            return Ok(*module as CUmodule);
        }
        let module = self.load(width)?;
        modules.push((width, module as usize));
        Ok(module)
    }

    /// The kernels from the cache, or compiled and then kept.
    fn load(&self, width: Width) -> Result<CUmodule> {
        let place = images::place(width, &self.target);
        // SAFETY: a complete image, alive during the call
        let load = |image: &[u8]| unsafe { result::module::load_data(image.as_ptr().cast()) };
        if let Some(image) = place.as_deref().and_then(images::kept)
            && let Ok(module) = load(&image)
        {
            return Ok(module);
        }
        let image = images::compile(&source::kernels(), source::definition(width), &self.target)
            .map_err(|error| match error {
                CudaError::NoCompiler { .. } => CudaError::NoCompiler {
                    device: self.name.clone(),
                    package: images::package(self.driver),
                },
                other => other,
            })?;
        let module = load(&image).map_err(|error| {
            driver_error(
                "loading the kernels",
                format!(
                    "{error}; NVRTC {} made them, and the driver knows CUDA {}.{}: install an NVRTC \
                     that is not newer, `pip install {}`",
                    images::compiler_version().unwrap_or_default(),
                    self.driver / 1000,
                    self.driver % 1000 / 10,
                    images::package(self.driver)
                ),
            )
        })?;
        if let Some(place) = &place {
            images::keep(place, &image); // a cache that cannot be written costs seconds, nothing else
        }
        Ok(module)
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        if self.bind().is_err() {
            return;
        }
        let modules = self.modules.get_mut().expect("no thread panics with it");
        for (_, module) in modules.iter() {
            // SAFETY: loaded by this GPU; the cards that used it are gone
            let _ = unsafe { result::module::unload(*module as CUmodule) };
        }
    }
}

/// A GPU with a stream of its own.
#[derive(Debug)]
pub(super) struct Card {
    gpu: Arc<Gpu>,
    stream: CUstream,
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
        let attribute =
            |attribute| context.attribute(attribute).map_err(failed("asking what it can"));
        let shared = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        let lazy =
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES)?;
        Card::of(Arc::new(Gpu {
            shared: usize::try_from(shared).unwrap_or(0),
            lazy_copies: lazy != 0,
            driver: version,
            context,
            name: format!(
                "{name}, CUDA driver {}.{}, compute capability {major}.{minor}",
                version / 1000,
                version % 1000 / 10
            ),
            target: format!("sm_{major}{minor}"),
            ampere: major >= 8,
            modules: Mutex::new(Vec::new()),
        }))
    }

    fn of(gpu: Arc<Gpu>) -> Result<Self> {
        gpu.bind()?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(failed("making a stream"))?;
        Ok(Card { gpu, stream })
    }

    fn bind(&self) -> Result<()> {
        self.gpu.bind()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        if self.bind().is_ok() {
            // SAFETY: made by this card; nothing else uses it any more
            unsafe {
                let _ = result::stream::synchronize(self.stream);
                let _ = result::stream::destroy(self.stream);
            }
        }
    }
}

impl Machine for Card {
    fn name(&self) -> &str {
        &self.gpu.name
    }

    fn fork(&self) -> Result<Arc<dyn Machine>> {
        Card::of(Arc::clone(&self.gpu)).map(|card| Arc::new(card) as Arc<dyn Machine>)
    }

    fn tensor_cores(&self) -> bool {
        self.gpu.ampere
    }

    fn shared_memory(&self) -> usize {
        self.gpu.shared
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
            .map_err(failed("copying to the device"))?;
        if self.gpu.lazy_copies { self.synchronize() } else { Ok(()) }
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
        let module = self.gpu.module(width)?;
        let text = CString::new(name).expect("names of kernels have no zeros");
        // SAFETY: a loaded module
        let function = unsafe { result::module::get_function(module, text) }
            .map_err(failed("looking for a kernel"))?;
        // all the shared memory that a block may have beside its own arrays, once and for all launches
        // SAFETY: a function of a loaded module
        unsafe {
            let own = result::function::get_function_attribute(
                function,
                FunctionAttribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES,
            );
            let own = own.map_err(failed("asking about a kernel"))?;
            result::function::set_function_attribute(
                function,
                FunctionAttribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                i32::try_from(self.gpu.shared).unwrap_or(0) - own,
            )
        }
        .map_err(failed("asking for shared memory"))?;
        Ok(Handle(function as usize))
    }

    fn launch(&self, kernel: Handle, shape: Shape, arguments: &[u8]) -> Result<()> {
        self.bind()?;
        let function = kernel.0 as CUfunction;
        let mut pointers = [arguments.as_ptr().cast_mut().cast::<c_void>()];
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
            context: Arc::clone(&self.gpu.context),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Old, usual and new families. With `VITRION_TEST_NVRTC` a missing compiler is a failure.
    #[test]
    #[allow(clippy::print_stdout)] // the line by which skipped checks are counted
    fn the_kernels_compile_for_every_family_of_devices() {
        if images::compiler_version().is_none() && std::env::var_os("VITRION_TEST_NVRTC").is_none()
        {
            println!("SKIPPED: no NVRTC to compile the kernels with");
            return;
        }
        let text = source::kernels();
        let all = [
            ("sm_75", Width::Single),
            ("sm_90", Width::Single),
            ("sm_90", Width::Double),
            ("sm_120", Width::Single),
        ];
        std::thread::scope(|scope| {
            for (target, width) in all {
                let text = &text;
                scope.spawn(move || {
                    let image = images::compile(text, source::definition(width), target);
                    let image = image.unwrap_or_else(|e| panic!("{target} {width:?}: {e}"));
                    assert!(image.starts_with(b"\x7fELF"), "{target}");
                });
            }
        });
    }

    #[test]
    fn a_machine_without_a_driver_says_so() {
        if driver_is_there() {
            return;
        }
        let error = Card::open(0).expect_err("no driver").to_string();
        assert!(
            error.contains("no CUDA device: the NVIDIA driver (libcuda) was not found"),
            "{error}"
        );
        assert!(error.contains("device = \"cpu\""), "{error}");
    }
}
