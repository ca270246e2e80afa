#include "pair_vitrion.h"

#include "vitrion.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;

namespace {

// columns of model_devi.out, which are also the values of "compute pair"
enum { MAX_V, MIN_V, AVG_V, MAX_F, MIN_F, AVG_F, COLUMNS };
const char *const COLUMN_NAMES[COLUMNS] = {"max_devi_v", "min_devi_v", "avg_devi_v",
                                           "max_devi_f", "min_devi_f", "avg_devi_f"};

// rows of a 3x3 matrix in the order xx, yy, zz, xy, xz, yz of LAMMPS, and the other halves
constexpr int ROW[6] = {0, 1, 2, 0, 0, 1};
constexpr int COLUMN[6] = {0, 1, 2, 1, 2, 2};

double symmetric(const double *w, int k)
{
  return 0.5 * (w[3 * ROW[k] + COLUMN[k]] + w[3 * COLUMN[k] + ROW[k]]);
}

}    // namespace

void PairVitrion::Close::operator()(vitrion_model *model) const
{
  vitrion_close(model);
}

PairVitrion::PairVitrion(LAMMPS *lmp) :
    Pair(lmp), members(0), listed(false), every(0), fresh(false), last_step(-1), last_line(0),
    devi_step(-1)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  // the potential gives its own virial, which a box smaller than the cutoff needs
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_AVAIL;
}

PairVitrion::~PairVitrion()
{
  if (copymode) return;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
  pvector = nullptr;    // belongs to summary
}

// pair_style vitrion model0 [model1 ...] [devi file every] [precision mixed|double] [threads n]

void PairVitrion::settings(int narg, char **arg)
{
  static const std::vector<std::string> KEYWORDS = {"devi",    "out_file",  "out_freq",
                                                    "threads", "precision"};
  auto is_keyword = [&](const char *word) {
    return std::find(KEYWORDS.begin(), KEYWORDS.end(), word) != KEYWORDS.end();
  };

  std::vector<const char *> names;
  int at = 0;
  for (; at < narg && !is_keyword(arg[at]); at++) names.push_back(arg[at]);
  if (names.empty())
    error->all(FLERR,
               "Pair style vitrion needs a model: pair_style vitrion model.safetensors (or a "
               "DeePMD-kit model, or builtin:li-p-s)");

  vitrion_options options = {VITRION_ARITHMETIC_MIXED, 1};
  std::string out_file;
  bigint out_freq = 0;
  while (at < narg) {
    const std::string word = arg[at];
    const int values = word == "devi" ? 2 : 1;
    if (!is_keyword(arg[at]))
      error->all(FLERR,
                 "Unknown word {} in pair_style vitrion: models come first, then devi FILE EVERY, "
                 "precision mixed|double, threads N (out_file FILE and out_freq EVERY as in "
                 "pair_style deepmd are known too)",
                 word);
    if (at + values >= narg)
      error->all(FLERR, "Pair style vitrion: {} needs {} value{}", word, values,
                 values > 1 ? "s" : "");
    const char *value = arg[at + 1];
    if (word == "devi" || word == "out_file") out_file = value;
    if (word == "devi" || word == "out_freq") {
      const char *count = arg[at + values];
      out_freq = utils::bnumeric(FLERR, count, false, lmp);
      if (out_freq < 1)
        error->all(FLERR, "Pair style vitrion: {} every {} steps, expected at least 1", word, count);
    }
    if (word == "threads") {
      options.threads = utils::inumeric(FLERR, value, false, lmp);
      if (options.threads < 1)
        error->all(FLERR, "Pair style vitrion: {} threads, expected at least 1", value);
    }
    if (word == "precision") {
      if (strcmp(value, "double") == 0)
        options.arithmetic = VITRION_ARITHMETIC_DOUBLE;
      else if (strcmp(value, "mixed") == 0)
        options.arithmetic = VITRION_ARITHMETIC_MIXED;
      else
        error->all(FLERR, "Pair style vitrion: precision {}, expected mixed or double", value);
    }
    at += 1 + values;
  }
  // as pair_style deepmd: either keyword alone has the other's default
  if (!out_file.empty() && out_freq == 0) out_freq = 100;
  if (out_freq > 0 && out_file.empty()) out_file = "model_devi.out";
  if (out_freq > 0 && names.size() < 2)
    error->all(FLERR,
               "Pair style vitrion: a deviation needs at least two models, found one ({})",
               names[0]);

  vitrion_model *opened = nullptr;
  check_all(vitrion_open(names.data(), names.size(), &options, &opened), "cannot open the model");
  model.reset(opened);
  members = (int) vitrion_members(opened);
  listed = false;
  symbols.clear();
  if (allocated)    // elements must be given again: types of a new model mean nothing yet
    for (int i = 1; i <= atom->ntypes; i++)
      for (int j = 1; j <= atom->ntypes; j++) setflag[i][j] = 0;
  every = out_freq;
  devi_step = -1;
  devi_name = out_file;
  devi_file.reset();
  comm_reverse = every > 0 ? 3 * members : 0;
  // never taken away again: a compute pair may have seen it
  if (every > 0 || !summary.empty()) summary.assign(COLUMNS, 0.0);
  nextra = (int) summary.size();
  pvector = nextra ? summary.data() : nullptr;

  if (comm->me == 0) {
    std::string species;
    for (size_t s = 0; vitrion_species(opened, s); s++)
      species += std::string(" ") + vitrion_species(opened, s);
    utils::logmesg(lmp,
                   "Pair style vitrion {}: {} model{}, species{}, cutoff {} A, {} precision, {} "
                   "thread{} per rank\n",
                   vitrion_version(), members, members > 1 ? "s" : "", species,
                   vitrion_cutoff(opened),
                   options.arithmetic == VITRION_ARITHMETIC_DOUBLE ? "double" : "mixed",
                   options.threads, options.threads > 1 ? "s" : "");
  }
}

// pair_coeff * * Li P S: the element of each atom type, NULL for types of another pair style

void PairVitrion::coeff(int narg, char **arg)
{
  const int n = atom->ntypes;
  if (!model) error->all(FLERR, "Pair style vitrion: pair_style comes before pair_coeff");
  if (narg != n + 2 || strcmp(arg[0], "*") != 0 || strcmp(arg[1], "*") != 0)
    error->all(FLERR,
               "Incorrect pair_coeff of pair style vitrion: expected * * and the element of each of "
               "the {} atom types, such as: pair_coeff * * Li P S (NULL for types that it does not "
               "see)",
               n);
  if (!allocated) {
    memory->create(setflag, n + 1, n + 1, "pair:setflag");
    memory->create(cutsq, n + 1, n + 1, "pair:cutsq");
    allocated = 1;
  }

  symbols.assign(n + 1, "");
  std::vector<const char *> mapped(n + 1, nullptr);    // types count from 1
  for (int type = 1; type <= n; type++) {
    if (strcmp(arg[type + 1], "NULL") == 0) continue;
    symbols[type] = arg[type + 1];
    mapped[type] = symbols[type].c_str();
  }
  check_all(vitrion_map_types(model.get(), mapped.data(), mapped.size()), "wrong pair_coeff");
  listed = false;

  int count = 0;
  for (int i = 1; i <= n; i++)
    for (int j = 1; j <= n; j++) {
      setflag[i][j] = mapped[i] && mapped[j] && i <= j;
      count += setflag[i][j];
    }
  if (count == 0)
    error->all(FLERR, "Incorrect pair_coeff of pair style vitrion: all {} types are NULL", n);
}

void PairVitrion::init_style()
{
  if (strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR, "Pair style vitrion needs units metal (Angstrom, eV), found units {}",
               update->unit_style);
  if (force->newton_pair == 0)
    error->all(FLERR,
               "Pair style vitrion needs newton pair on: forces on ghost atoms go back to their "
               "owners");
  // pairs with weight zero are missing from neighbor lists
  if (atom->molecular != Atom::ATOMIC)
    for (int k = 1; k < 4; k++)
      if (force->special_lj[k] == 0.0 && force->special_coul[k] == 0.0)
        error->all(FLERR,
                   "Pair style vitrion sees all neighbors, but special_bonds leaves bonded ones out: "
                   "use special_bonds lj/coul 1 1 1 or an atom style without bonds");
  if (neighbor->exclude && comm->me == 0)
    error->warning(FLERR,
                   "Pair style vitrion: neigh_modify exclude takes neighbors away, which changes "
                   "energies and forces of the atoms that remain");
  neighbor->add_request(this, NeighConst::REQ_FULL);
  // a new run may have other atoms at the same step
  fresh = true;
  last_step = -1;
}

double PairVitrion::init_one(int i, int j)
{
  if (setflag[i][j] == 0)
    error->all(FLERR, "Pair style vitrion: the coefficients of types {} and {} are not set", i, j);
  return vitrion_cutoff(model.get());
}

void PairVitrion::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  const int nlocal = atom->nlocal, nall = nlocal + atom->nghost;
  if (neighbor->ago == 0 || !listed) set_list();

  // at the start of every run too, so that there always are values
  const bool due = every > 0 && update->ntimestep % every == 0;
  const bool together = due || (every > 0 && fresh);
  if (together) {
    member_forces.resize((size_t) members * nall * 3 + 1);
    member_virials.resize((size_t) members * 9);
  }
  const bool by_atom = vflag_atom || cvflag_atom;
  if (by_atom) atom_virials.assign((size_t) nall * 9 + 1, 0.0);

  vitrion_results results = {};
  results.forces = nall ? atom->f[0] : nullptr;
  results.atom_energies = eflag_atom ? eatom : nullptr;
  results.atom_virials = by_atom ? atom_virials.data() : nullptr;
  results.member_forces = together ? member_forces.data() : nullptr;
  results.member_virials = together ? member_virials.data() : nullptr;
  const double *x = nall ? atom->x[0] : nullptr;
  auto status = vitrion_compute(model.get(), nall, atom->type, x, &results);
  if (status == VITRION_STATUS_BAD_LIST) {
    // somebody changed types between two lists
    set_list();
    status = vitrion_compute(model.get(), nall, atom->type, x, &results);
  }
  if (status != VITRION_STATUS_OK) fail();

  if (eflag_global) eng_vdwl += results.energy;
  if (vflag_global)
    for (int k = 0; k < 6; k++) virial[k] += symmetric(results.virial, k);
  if (by_atom) share_virials(nall);
  if (together) {
    comm->reverse_comm(this);
    reduce_deviation();
    fresh = false;
    devi_step = update->ntimestep;
    if (due) write_deviation();
  }
}

// hands the neighbor list over

void PairVitrion::set_list()
{
  vitrion_neighbors neighbors;
  neighbors.n_centers = list->inum;
  neighbors.centers = list->ilist;
  neighbors.counts = list->numneigh;
  neighbors.rows = list->firstneigh;
  neighbors.mask = NEIGHMASK;
  const int nall = atom->nlocal + atom->nghost;
  check(vitrion_set_neighbors(model.get(), nall, atom->type, &neighbors), "neighbor list");
  listed = true;
}

// per-atom virials to the arrays that are asked for

void PairVitrion::share_virials(int nall)
{
  for (int i = 0; i < nall; i++) {
    const double *w = &atom_virials[9 * (size_t) i];
    if (vflag_atom)
      for (int k = 0; k < 6; k++) vatom[i][k] += symmetric(w, k);
    if (cvflag_atom) {
      // xx yy zz xy xz yz yx zx zy of r F, where w is F r
      for (int k = 0; k < 6; k++) cvatom[i][k] += w[3 * COLUMN[k] + ROW[k]];
      for (int k = 3; k < 6; k++) cvatom[i][k + 3] += w[3 * ROW[k] + COLUMN[k]];
    }
  }
}

// forces of all models on ghost atoms go to their owners

int PairVitrion::pack_reverse_comm(int n, int first, double *buf)
{
  const size_t stride = 3 * (size_t) (atom->nlocal + atom->nghost);
  int m = 0;
  for (int i = first; i < first + n; i++)
    for (int k = 0; k < members; k++)
      for (int c = 0; c < 3; c++) buf[m++] = member_forces[k * stride + 3 * (size_t) i + c];
  return m;
}

void PairVitrion::unpack_reverse_comm(int n, int *which, double *buf)
{
  const size_t stride = 3 * (size_t) (atom->nlocal + atom->nghost);
  int m = 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < members; k++)
      for (int c = 0; c < 3; c++)
        member_forces[k * stride + 3 * (size_t) which[i] + c] += buf[m++];
}

// disagreement of the models over all ranks, into summary of rank 0

void PairVitrion::reduce_deviation()
{
  const int nlocal = atom->nlocal;
  deviation.assign(std::max(nlocal, 1), 0.0);
  check(vitrion_force_deviation(members, nlocal, nlocal + atom->nghost, member_forces.data(),
                                deviation.data()),
        "deviation of forces");
  double extremes[2] = {-HUGE_VAL, -HUGE_VAL};    // largest, minus the smallest
  double sums[2] = {0.0, 0.0};
  for (int i = 0; i < nlocal; i++) {
    if (symbols[atom->type[i]].empty()) continue;
    extremes[0] = std::max(extremes[0], deviation[i]);
    extremes[1] = std::max(extremes[1], -deviation[i]);
    sums[0] += deviation[i];
    sums[1] += 1.0;
  }
  double all_extremes[2], all_sums[2];
  std::vector<double> virials(member_virials.size());
  MPI_Reduce(extremes, all_extremes, 2, MPI_DOUBLE, MPI_MAX, 0, world);
  MPI_Reduce(sums, all_sums, 2, MPI_DOUBLE, MPI_SUM, 0, world);
  MPI_Reduce(member_virials.data(), virials.data(), (int) virials.size(), MPI_DOUBLE, MPI_SUM, 0,
             world);
  if (comm->me != 0) return;    // "compute pair" adds the ranks up

  double w[9];
  check(vitrion_virial_deviation(members, (size_t) all_sums[1], virials.data(), w),
        "deviation of the virial");
  double square = 0.0;
  for (double component : w) square += component * component / 9.0;
  summary[MAX_V] = *std::max_element(w, w + 9);
  summary[MIN_V] = *std::min_element(w, w + 9);
  summary[AVG_V] = std::sqrt(square);
  summary[MAX_F] = all_extremes[0];
  summary[MIN_F] = -all_extremes[1];
  summary[AVG_F] = all_sums[0] / all_sums[1];
}

// one line, in the columns of DeePMD-kit's model_devi.out; the last evaluation of a step counts, where a
// line search or a Monte Carlo trial has several

void PairVitrion::write_deviation()
{
  if (comm->me != 0) return;
  if (!devi_file) {
    // what is there is kept: a run may go on from a restart
    devi_file.reset(fopen(devi_name.c_str(), "r+"));
    if (!devi_file) devi_file.reset(fopen(devi_name.c_str(), "w"));
    if (!devi_file || fseek(devi_file.get(), 0, SEEK_END) != 0)
      error->one(FLERR, "Pair style vitrion cannot write {}: {}", devi_name, strerror(errno));
    fprintf(devi_file.get(), "#%11s", "step");
    for (const char *name : COLUMN_NAMES) fprintf(devi_file.get(), " %18s", name);
    fprintf(devi_file.get(), "\n");
  }
  if (update->ntimestep == last_step)
    fseek(devi_file.get(), last_line, SEEK_SET);
  else
    last_line = ftell(devi_file.get());
  last_step = update->ntimestep;
  fprintf(devi_file.get(), "%12lld", (long long) update->ntimestep);
  for (double value : summary) fprintf(devi_file.get(), " %18.10e", value);
  fprintf(devi_file.get(), "\n");
  if (fflush(devi_file.get()) != 0)
    error->one(FLERR, "Pair style vitrion cannot write {}: {}", devi_name, strerror(errno));
}

// ends the run if a call that all ranks made did not succeed

void PairVitrion::check_all(int status, const char *what)
{
  const int bad = status != VITRION_STATUS_OK;
  int all = 0;
  MPI_Allreduce(&bad, &all, 1, MPI_INT, MPI_SUM, world);
  if (all == comm->nprocs) error->all(FLERR, "Pair style vitrion: {}: {}", what, vitrion_last_error());
  check(status, what);
}

// ends the run if a call did not succeed

void PairVitrion::check(int status, const char *what)
{
  if (status != VITRION_STATUS_OK)
    error->one(FLERR, "Pair style vitrion: {}: {}", what, vitrion_last_error());
}

// an evaluation that failed on this rank

void PairVitrion::fail()
{
  const auto which = vitrion_failed_atom(model.get());
  if (which < 0) error->one(FLERR, "Pair style vitrion: {}", vitrion_last_error());
  std::string who = atom->tag_enable ? std::to_string(atom->tag[which]) : "without a number";
  error->one(FLERR,
             "Pair style vitrion at step {}: energy or force of the atom with ID {} at ({}, {}, {}) "
             "is not finite ({})",
             update->ntimestep, who, atom->x[which][0], atom->x[which][1], atom->x[which][2],
             vitrion_last_error());
}

// fix pair: disagreement of the models about the force on each atom, at steps at which it was evaluated (in
// between atoms have been numbered anew)

void *PairVitrion::extract_peratom(const char *name, int &ncol)
{
  ncol = 0;
  if (strcmp(name, "deviation") != 0 || devi_step != update->ntimestep) return nullptr;
  if ((int) deviation.size() < atom->nmax) deviation.resize(atom->nmax, 0.0);
  return deviation.data();
}

double PairVitrion::memory_usage()
{
  double bytes = Pair::memory_usage() + (double) vitrion_memory(model.get());
  for (const auto *array : {&member_forces, &member_virials, &deviation, &atom_virials})
    bytes += (double) (array->capacity() * sizeof(double));
  return bytes;
}
