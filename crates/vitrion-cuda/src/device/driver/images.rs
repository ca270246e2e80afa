//! Machine code of the kernels: compiled by NVRTC, kept for the next start.

use super::super::{Width, driver_error, source};
use crate::error::{CudaError, Result};
use cudarc::nvrtc;
use nvrtc::sys::nvrtcResult;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of the hash at the end of a kept image.
const HASH: usize = 32;

fn compiler_is_there() -> bool {
    // SAFETY: only looks for the library
    unsafe { nvrtc::sys::is_culib_present() }
}

/// "13.0", where there is an NVRTC.
pub(super) fn compiler_version() -> Option<String> {
    if !compiler_is_there() {
        return None;
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: writes two integers
    let asked = unsafe { nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    asked.result().ok().map(|()| format!("{major}.{minor}"))
}

/// What to install for a driver of this CUDA version (1000 major + 10 minor).
pub(super) fn package(driver: i32) -> String {
    match driver / 1000 {
        13.. => "nvidia-cuda-nvrtc==13.0.*".to_owned(),
        _ => format!("nvidia-cuda-nvrtc-cu12==12.{}.*", driver % 1000 / 10),
    }
}

/// Where the image for a target is kept: in `VITRION_CACHE`, or in `vitrion` in the user's cache
/// folder. Another compiler makes another image; without one, that of any compiler will do.
pub(super) fn place(width: Width, target: &str) -> Option<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|x| !x.is_empty()).map(PathBuf::from);
    let folder = given("VITRION_CACHE")
        .or_else(|| given("XDG_CACHE_HOME").map(|folder| folder.join("vitrion")))
        .or_else(|| given("HOME").map(|folder| folder.join(".cache/vitrion")))?;
    let text = format!("2 {} {target}\n{}", source::definition(width), source::kernels());
    let key = &blake3::hash(text.as_bytes()).to_hex()[..32];
    let stem = format!("kernels-{target}-{key}");
    if let Some(version) = compiler_version() {
        return Some(folder.join(format!("{stem}-nvrtc{version}.cubin")));
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&stem)))
        .collect();
    found.sort();
    found.pop()
}

/// A kept image, if it is whole.
pub(super) fn kept(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = std::fs::read(path).ok()?;
    let (image, hash) = bytes.split_last_chunk::<HASH>()?;
    if blake3::hash(image).as_bytes() != hash {
        return None;
    }
    bytes.truncate(bytes.len() - HASH);
    Some(bytes)
}

/// Writes an image under another name and renames, so that nobody reads half a file.
pub(super) fn keep(path: &Path, image: &[u8]) {
    let Some(folder) = path.parent() else { return };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let own = format!("{}-{}", std::process::id(), now.as_nanos());
    let temporary = path.with_extension(own);
    let bytes = [image, blake3::hash(image).as_bytes()].concat();
    if std::fs::create_dir_all(folder).is_ok() && std::fs::write(&temporary, bytes).is_ok() {
        let _ = std::fs::rename(&temporary, path);
    }
}

/// Machine code of the kernels for a target such as "sm_90".
pub(super) fn compile(text: &str, definition: &str, target: &str) -> Result<Vec<u8>> {
    let Some(version) = compiler_version() else {
        return Err(CudaError::NoCompiler { device: target.to_owned(), package: package(13_000) });
    };
    let text = CString::new(text).expect("sources have no zeros");
    let fail = |error: nvrtc::result::NvrtcError| driver_error("compiling the kernels", error);
    let program = nvrtc::result::create_program(&text, Some(c"vitrion.cu")).map_err(fail)?;
    let options =
        [definition.to_owned(), format!("--gpu-architecture={target}"), "--std=c++17".to_owned()];
    // SAFETY: the program is destroyed only at the end
    let made = unsafe {
        match nvrtc::result::compile_program(program, &options) {
            Ok(()) => machine_code(program).map_err(fail),
            Err(error) if error.0 == nvrtcResult::NVRTC_ERROR_INVALID_OPTION => Err(driver_error(
                "compiling the kernels",
                format!("NVRTC {version} does not know {target}; install a newer one"),
            )),
            Err(_) => {
                let log = nvrtc::result::get_program_log(program).unwrap_or_default();
                let bytes: Vec<u8> = log.iter().map(|c| *c as u8).filter(|c| *c != 0).collect();
                let log = String::from_utf8_lossy(&bytes).into_owned();
                Err(CudaError::Compile { target: target.to_owned(), log })
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_images_are_not_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/kernels.cubin");
        keep(&path, b"an image");
        assert_eq!(kept(&path).as_deref(), Some(&b"an image"[..]));
        let mut bytes = std::fs::read(&path).expect("it was kept");
        bytes[3] ^= 1;
        std::fs::write(&path, &bytes).expect("writable");
        assert_eq!(kept(&path), None);
        std::fs::write(&path, &bytes[..5]).expect("writable");
        assert_eq!(kept(&path), None);
        assert_eq!(package(12_040), "nvidia-cuda-nvrtc-cu12==12.4.*");
    }
}
