//! The neighbour list of a run on the device: memory, and the launches that search it.

use super::arguments::{Control, ListArguments, MAX_IMAGES};
use crate::arguments::Surroundings;
use crate::device::{Address, Buffer, Device, Kernel, Shape, Width};
use crate::error::Result;

/// Threads of a block of a pass over atoms.
const BLOCK: u32 = 256;
/// Room for pairs beyond those that were found.
const SPARE: f64 = 1.15;

type ListKernel = Kernel<ListArguments>;

/// Kernels in the order of their launches.
#[derive(Debug)]
struct Kernels {
    adopt: ListKernel,
    translate: ListKernel,
    clear: ListKernel,
    bin: ListKernel,
    scan_bins: ListKernel,
    place: ListKernel,
    order: ListKernel,
    sort: ListKernel,
    refresh: ListKernel,
    count: ListKernel,
    scan: ListKernel,
    fill: ListKernel,
    reverse: ListKernel,
    group: ListKernel,
}

#[derive(Debug)]
pub(super) struct List {
    kernels: Kernels,
    atoms: usize,
    most_bins: usize,
    /// By the caller's number.
    pub(super) reference: Buffer<f64>,
    species: Buffer<u8>,
    bin_of: Buffer<u32>,
    image_of: Buffer<i32>,
    bins: [Buffer<u32>; 3],
    /// By sorted atom.
    pub(super) order: Buffer<u32>,
    image: Buffer<i32>,
    sorted: Buffer<f64>,
    sorted_species: Buffer<u8>,
    offsets: Buffer<u32>,
    centres: Buffer<u32>,
    ranks: Buffer<u32>,
    translations: Buffer<f64>,
    entries: Entries,
    reach2: f64,
}

/// What grows with the number of pairs.
#[derive(Debug)]
struct Entries {
    capacity: usize,
    index: Buffer<u32>,
    image: Buffer<u32>,
    reverse: Buffer<u32>,
}

impl Entries {
    fn new(device: &Device, capacity: usize) -> Result<Self> {
        Ok(Entries {
            capacity,
            index: device.room(capacity)?,
            image: device.room(capacity)?,
            reverse: device.room(capacity)?,
        })
    }
}

impl List {
    /// For atoms of these species, pairs within `reach` [Å]; `ranks` orders the species of the centres.
    pub(super) fn new(
        device: &Device,
        width: Width,
        species: &[u8],
        reach: f64,
        ranks: &[usize],
    ) -> Result<Self> {
        let atoms = species.len();
        let kernel = |name| device.kernel::<ListArguments>(width, name);
        let kernels = Kernels {
            adopt: kernel("adopt_positions")?,
            translate: kernel("translate")?,
            clear: kernel("clear_bins")?,
            bin: kernel("bin_atoms")?,
            scan_bins: kernel("scan_bins")?,
            place: kernel("place_atoms")?,
            order: kernel("order_bins")?,
            sort: kernel("sort_atoms")?,
            refresh: kernel("refresh")?,
            count: kernel("count_neighbors")?,
            scan: kernel("scan_neighbors")?,
            fill: kernel("fill_neighbors")?,
            reverse: kernel("reverse_neighbors")?,
            group: kernel("group_centres")?,
        };
        // as on the processor: never more bins than about twice as many as atoms along a direction
        let most = ((atoms as f64).cbrt().ceil() as usize * 2).max(1);
        let room = most.pow(3).min(16 * atoms + 72) + 1;
        let ranks: Vec<u32> = ranks.iter().map(|rank| *rank as u32).collect();
        Ok(List {
            kernels,
            atoms,
            most_bins: most,
            reference: device.zeros(3 * atoms)?,
            species: device.buffer(species)?,
            bin_of: device.room(atoms)?,
            image_of: device.room(3 * atoms)?,
            bins: [device.room(room)?, device.room(room)?, device.room(room)?],
            order: device.room(atoms)?,
            image: device.room(3 * atoms)?,
            sorted: device.room(3 * atoms)?,
            sorted_species: device.room(atoms)?,
            offsets: device.room(atoms + 1)?,
            centres: device.room(atoms)?,
            ranks: device.buffer(&ranks)?,
            translations: device.room(3 * MAX_IMAGES)?,
            entries: Entries::new(device, 0)?,
            reach2: reach * reach,
        })
    }

    /// Bins along one direction, at most.
    pub(super) fn most_bins(&self) -> usize {
        self.most_bins
    }

    /// Makes room for so many pairs and some more; returns for how many.
    pub(super) fn grow(&mut self, device: &Device, pairs: usize) -> Result<usize> {
        let capacity = (pairs as f64 * SPARE) as usize + 64;
        // what is there goes first: both may not fit
        self.entries = Entries::new(device, 0)?;
        self.entries = Entries::new(device, capacity)?;
        Ok(capacity)
    }

    pub(super) fn surroundings(&self) -> Surroundings {
        Surroundings {
            positions: self.sorted.address(),
            species: self.sorted_species.address(),
            offsets: self.offsets.address(),
            index: self.entries.index.address(),
            image: self.entries.image.address(),
            translations: self.translations.address(),
        }
    }

    pub(super) fn reverse(&self) -> Address {
        self.entries.reverse.address()
    }

    pub(super) fn centres(&self) -> Address {
        self.centres.address()
    }

    fn arguments(
        &self,
        control: &Buffer<Control>,
        positions: Address,
        of_list: bool,
    ) -> ListArguments {
        ListArguments {
            control: control.address(),
            source: positions,
            reference: self.reference.address(),
            species: self.species.address(),
            bin_of: self.bin_of.address(),
            image_of: self.image_of.address(),
            bin_count: self.bins[0].address(),
            bin_start: self.bins[1].address(),
            bin_next: self.bins[2].address(),
            order: self.order.address(),
            image: self.image.address(),
            sorted: self.sorted.address(),
            sorted_species: self.sorted_species.address(),
            offsets: self.offsets.address(),
            index: self.entries.index.address(),
            entry_image: self.entries.image.address(),
            reverse: self.entries.reverse.address(),
            translations: self.translations.address(),
            centres: self.centres.address(),
            ranks: self.ranks.address(),
            reach2: self.reach2,
            capacity: self.entries.capacity as u64,
            atoms: self.atoms as u32,
            species_count: self.ranks.len() as u32,
            of_list: u32::from(of_list),
            reserved: 0,
        }
    }

    /// Queues a search, which does nothing unless it is asked for, and brings the sorted positions to
    /// those of now. `adopt`: the present positions become those of the search.
    pub(super) fn update(
        &self,
        control: &Buffer<Control>,
        positions: Address,
        adopt: bool,
    ) -> Result<()> {
        let k = &self.kernels;
        let arguments = self.arguments(control, positions, true);
        let atoms = Shape::threads(self.atoms, BLOCK);
        let bins = Shape::threads(self.bins[0].len(), 128);
        let warps = Shape::warps(self.atoms, 128);
        let images = Shape::threads(MAX_IMAGES / 4, BLOCK);
        let one = Shape::blocks(1, 1024);
        if adopt {
            k.adopt.launch(atoms, &arguments)?;
        }
        let search: [(&ListKernel, Shape); 12] = [
            (&k.translate, images),
            (&k.clear, bins),
            (&k.bin, atoms),
            (&k.scan_bins, one),
            (&k.place, atoms),
            (&k.order, bins),
            (&k.sort, atoms),
            (&k.refresh, atoms),
            (&k.count, warps),
            (&k.scan, one),
            (&k.fill, warps),
            (&k.reverse, warps),
        ];
        for (kernel, shape) in search {
            kernel.launch(shape, &arguments)?;
        }
        k.group.launch(one, &arguments)?;
        let now = self.arguments(control, positions, false);
        k.translate.launch(images, &now)?;
        k.refresh.launch(atoms, &now)
    }
}
