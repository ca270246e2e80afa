//! Where the tests run.

use vitrion_cuda::Device;
use vitrion_cuda::emulator::Order;

/// The emulator with both orders of threads, and every CUDA device. Says what is missing.
#[allow(clippy::print_stdout)] // the line by which skipped checks are counted
pub(crate) fn all() -> Vec<Device> {
    let mut devices: Vec<Device> = match Device::emulated(Order::Ascending) {
        Ok(device) => {
            vec![device, Device::emulated(Order::Descending).expect("the same compiler")]
        }
        Err(error) if std::env::var_os("VITRION_TEST_EMULATOR").is_some() => panic!("{error}"),
        Err(_) => {
            println!("SKIPPED: no C++ compiler for the emulator");
            Vec::new()
        }
    };
    match Device::count() {
        Ok(count) if count > 0 => {
            devices.extend((0..count).map(|k| Device::open(k).expect("a device")));
        }
        _ => println!("SKIPPED: no CUDA device"),
    }
    devices
}
