//! A device: memory, kernels and their launches, in the order they were asked for.
//!
//! Two machines are behind it: an NVIDIA GPU through its driver ([`driver`]), and for tests the
//! processor itself, on which the same kernel sources run thread by thread (`emulator`). The
//! rest of the crate does not know which.

mod driver;
#[cfg(any(test, feature = "emulator"))]
pub mod emulator;
pub(crate) mod source;

use crate::error::{CudaError, Result};
use bytemuck::{Pod, Zeroable};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Floating-point type of nets and tables in a set of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Width {
    Single,
    Double,
}

/// Blocks of a grid and threads of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub grid: [u32; 3],
    pub block: u32,
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

impl Shape {
    /// So many threads in blocks of `block`.
    pub(crate) fn threads(threads: usize, block: u32) -> Self {
        Shape::blocks(threads.div_ceil(block as usize), block)
    }

    /// A warp for each of `items` in blocks of `block` threads.
    pub(crate) fn warps(items: usize, block: u32) -> Self {
        Shape::threads(items * 32, block)
    }

    pub(crate) fn blocks(blocks: usize, block: u32) -> Self {
        let blocks = u32::try_from(blocks).expect("fewer than 2^32 blocks");
        Shape { grid: [blocks, 1, 1], block, shared: 0 }
    }

    pub(crate) fn with_shared(self, bytes: usize) -> Self {
        Shape { shared: bytes as u32, ..self }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.grid.contains(&0)
    }
}

/// What carries out the work; everything happens in the order of the calls.
pub(crate) trait Machine: Debug + Send + Sync {
    fn name(&self) -> &str;
    /// The same device with an order of work of its own.
    fn fork(&self) -> Result<Arc<dyn Machine>>;
    /// Whether it multiplies matrices of TF32.
    fn tensor_cores(&self) -> bool;
    /// Shared memory that a block may have [bytes].
    fn shared_memory(&self) -> usize;
    /// Bytes free and in all.
    fn memory(&self) -> Result<(usize, usize)>;
    fn allocate(&self, bytes: usize) -> Result<u64>;
    fn release(&self, address: u64, bytes: usize);
    /// `from` may be reused at once.
    fn upload(&self, to: u64, from: &[u8]) -> Result<()>;
    /// Waits for everything before.
    fn download(&self, from: u64, to: &mut [u8]) -> Result<()>;
    fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<()>;
    fn fill(&self, at: u64, byte: u8, bytes: usize) -> Result<()>;
    fn synchronize(&self) -> Result<()>;
    /// The kernel of this name; `arguments` is the size of its structure.
    fn kernel(&self, width: Width, name: &'static str, arguments: usize) -> Result<Handle>;
    fn launch(&self, kernel: Handle, shape: Shape, arguments: &[u8]) -> Result<()>;
    /// Records what `work` launches, to be replayed; `None` where the machine cannot.
    fn record(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<Option<Box<dyn Replay>>>;
}

/// Recorded launches.
pub(crate) trait Replay: Debug + Send {
    fn run(&self) -> Result<()>;
}

/// A kernel as its machine knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handle(pub usize);

/// A CUDA device that is ready to work.
#[derive(Debug, Clone)]
pub struct Device {
    machine: Arc<dyn Machine>,
    profile: Arc<Profile>,
}

/// Times of kernels, while somebody wants them.
#[derive(Debug, Default)]
struct Profile {
    on: AtomicBool,
    spent: Mutex<BTreeMap<&'static str, KernelTime>>,
}

/// Launches of a kernel and how long they took together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct KernelTime {
    pub launches: u64,
    pub seconds: f64,
}

impl Device {
    /// Opens the device with this number.
    ///
    /// # Errors
    /// No driver, no such device, or a driver that fails.
    pub fn open(ordinal: usize) -> Result<Self> {
        Ok(Device::new(driver::Card::open(ordinal)?))
    }

    fn new(machine: impl Machine + 'static) -> Self {
        Device { machine: Arc::new(machine), profile: Arc::default() }
    }

    /// Number of CUDA devices; an error says why there are none.
    ///
    /// # Errors
    /// No driver, or a driver that fails.
    pub fn count() -> Result<usize> {
        driver::count()
    }

    /// The processor, running the kernels one thread after the other: slow, for tests.
    #[cfg(any(test, feature = "emulator"))]
    ///
    /// # Errors
    /// No C++ compiler, or kernels that do not compile.
    pub fn emulated(order: emulator::Order) -> Result<Self> {
        emulator::Processor::new(order).map(Device::new)
    }

    /// "NVIDIA H100 80GB HBM3, driver 13.0, compute capability 9.0".
    pub fn name(&self) -> &str {
        self.machine.name()
    }

    /// The same device with an order of work of its own: what is asked of one does not wait for the
    /// other, and a recording of one does not see the other.
    pub(crate) fn fork(&self) -> Result<Self> {
        Ok(Device { machine: self.machine.fork()?, profile: Arc::clone(&self.profile) })
    }

    /// Whether it multiplies matrices of TF32.
    pub(crate) fn tensor_cores(&self) -> bool {
        self.machine.tensor_cores()
    }

    /// Shared memory that a block may have [bytes].
    pub(crate) fn shared_memory(&self) -> usize {
        self.machine.shared_memory()
    }

    /// Bytes of memory free and in all.
    ///
    /// # Errors
    /// A driver that fails.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.machine.memory()
    }

    /// Waits until everything is done.
    ///
    /// # Errors
    /// Whatever failed since the last wait.
    pub fn synchronize(&self) -> Result<()> {
        self.machine.synchronize()
    }

    /// From now on every launch is waited for and timed, and nothing is replayed from recordings; or no
    /// more.
    pub fn set_profile(&self, on: bool) {
        self.profile.on.store(on, Ordering::Relaxed);
    }

    /// Times of the kernels since the last call, by name.
    ///
    /// # Panics
    /// If a thread panicked while it launched a kernel.
    pub fn take_profile(&self) -> BTreeMap<&'static str, KernelTime> {
        std::mem::take(&mut *self.profile.spent.lock().expect("no panics with it"))
    }

    pub(crate) fn kernel<A: Pod>(&self, width: Width, name: &'static str) -> Result<Kernel<A>> {
        let handle = self.machine.kernel(width, name, size_of::<A>())?;
        Ok(Kernel { device: self.clone(), name, handle, arguments: PhantomData })
    }

    pub(crate) fn record(
        &self,
        work: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<Box<dyn Replay>>> {
        if self.profile.on.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.machine.record(work)
    }

    /// Memory for `len` numbers, zeroed.
    pub(crate) fn zeros<T: Pod>(&self, len: usize) -> Result<Buffer<T>> {
        let buffer = self.room(len)?;
        buffer.zero()?;
        Ok(buffer)
    }

    /// Memory whose content is not defined.
    pub(crate) fn room<T: Pod>(&self, len: usize) -> Result<Buffer<T>> {
        let bytes = (len * size_of::<T>()).max(1);
        let address = self.machine.allocate(bytes)?;
        Ok(Buffer { machine: Arc::clone(&self.machine), address, len, content: PhantomData })
    }

    /// A copy of these numbers.
    pub(crate) fn buffer<T: Pod>(&self, from: &[T]) -> Result<Buffer<T>> {
        let buffer = self.room(from.len())?;
        buffer.upload(from)?;
        Ok(buffer)
    }
}

/// A kernel whose structure of arguments is `A`.
#[derive(Debug, Clone)]
pub(crate) struct Kernel<A> {
    device: Device,
    name: &'static str,
    handle: Handle,
    arguments: PhantomData<fn(A)>,
}

impl<A: Pod> Kernel<A> {
    /// Puts a launch in the queue; nothing happens where the grid is empty.
    pub(crate) fn launch(&self, shape: Shape, arguments: &A) -> Result<()> {
        if shape.is_empty() {
            return Ok(());
        }
        let Device { machine, profile } = &self.device;
        let arguments = bytemuck::bytes_of(arguments);
        if !profile.on.load(Ordering::Relaxed) {
            return machine.launch(self.handle, shape, arguments);
        }
        machine.synchronize()?;
        let begin = Instant::now();
        machine.launch(self.handle, shape, arguments)?;
        machine.synchronize()?;
        let seconds = begin.elapsed().as_secs_f64();
        let mut spent = profile.spent.lock().expect("no panics with it");
        let entry = spent.entry(self.name).or_default();
        entry.launches += 1;
        entry.seconds += seconds;
        Ok(())
    }
}

/// Memory on a device.
#[derive(Debug)]
pub(crate) struct Buffer<T> {
    machine: Arc<dyn Machine>,
    address: u64,
    len: usize,
    content: PhantomData<T>,
}

/// The address of device memory in the arguments of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Address(pub u64);

impl Address {
    pub(crate) const NULL: Address = Address(0);
}

impl<T: Pod> Buffer<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn address(&self) -> Address {
        Address(self.address)
    }

    /// The address of entry `at`.
    pub(crate) fn at(&self, at: usize) -> Address {
        assert!(at <= self.len, "inside the buffer");
        Address(self.address + (at * size_of::<T>()) as u64)
    }

    pub(crate) fn upload(&self, from: &[T]) -> Result<()> {
        self.upload_at(0, from)
    }

    pub(crate) fn upload_at(&self, at: usize, from: &[T]) -> Result<()> {
        assert!(at + from.len() <= self.len, "as much room as numbers");
        if from.is_empty() {
            return Ok(());
        }
        self.machine.upload(self.at(at).0, bytemuck::cast_slice(from))
    }

    pub(crate) fn download(&self, to: &mut [T]) -> Result<()> {
        self.download_at(0, to)
    }

    pub(crate) fn download_at(&self, at: usize, to: &mut [T]) -> Result<()> {
        assert!(at + to.len() <= self.len, "as many numbers as asked for");
        if to.is_empty() {
            return Ok(());
        }
        self.machine.download(self.at(at).0, bytemuck::cast_slice_mut(to))
    }

    /// All numbers.
    pub(crate) fn to_vec(&self) -> Result<Vec<T>> {
        let mut all = vec![T::zeroed(); self.len];
        self.download(&mut all)?;
        Ok(all)
    }

    pub(crate) fn copy_from(&self, other: &Buffer<T>) -> Result<()> {
        assert_eq!(self.len, other.len, "copies have the same length");
        self.machine.copy(self.address, other.address, self.len * size_of::<T>())
    }

    pub(crate) fn zero(&self) -> Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        self.machine.fill(self.address, 0, self.len * size_of::<T>())
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.machine.release(self.address, (self.len * size_of::<T>()).max(1));
    }
}

/// An error of the driver.
pub(crate) fn driver_error(doing: &'static str, message: impl std::fmt::Display) -> CudaError {
    CudaError::Driver { doing, message: message.to_string() }
}
