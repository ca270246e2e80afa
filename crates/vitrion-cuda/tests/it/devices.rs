//! Where the tests run.

use vitrion_cuda::Device;
use vitrion_cuda::emulator::Order;

/// One emulator, and every CUDA device: for tests that say little more on the second.
pub(crate) fn one_of_each() -> Vec<Device> {
    let mut devices = all();
    let first = devices.iter().position(|device| device.name().contains("emulat"));
    let mut number = 0;
    devices.retain(|device| {
        number += 1;
        !device.name().contains("emulat") || Some(number - 1) == first
    });
    devices
}

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
