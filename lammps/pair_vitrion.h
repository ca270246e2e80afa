// pair_style vitrion: Deep Potentials evaluated by vitrion, inside LAMMPS.

#ifdef PAIR_CLASS
// clang-format off
PairStyle(vitrion,PairVitrion);
// clang-format on
#else

#ifndef LMP_PAIR_VITRION_H
#define LMP_PAIR_VITRION_H

#include "pair.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

struct vitrion_model;

namespace LAMMPS_NS {

class PairVitrion : public Pair {
 public:
  PairVitrion(class LAMMPS *);
  ~PairVitrion() override;
  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;
  void *extract_peratom(const char *, int &) override;
  double memory_usage() override;

 private:
  struct Close {
    void operator()(vitrion_model *) const;
  };
  struct CloseFile {
    void operator()(FILE *file) const { fclose(file); }
  };

  std::unique_ptr<vitrion_model, Close> model;
  int members;                         // number of models
  bool listed;                         // the model has the present neighbor list
  std::vector<std::string> symbols;    // of each type from 1 on; empty for NULL

  // disagreement of the models
  bigint every;        // steps between its lines, 0 for never
  bool fresh;          // not evaluated yet in this run
  bigint last_step;    // of its last line in the file in this run
  long last_line;      // where that line is
  bigint devi_step;    // for which deviation holds
  std::string devi_name;
  std::unique_ptr<FILE, CloseFile> devi_file;    // on rank 0
  std::vector<double> member_forces;             // [member][local and ghost atoms][3]
  std::vector<double> member_virials;            // [member][9]
  std::vector<double> deviation;                 // of the force on each local atom
  std::vector<double> summary;                   // pvector: see write_deviation

  std::vector<double> atom_virials;    // [local and ghost atoms][9]

  void set_list();
  void check_all(int, const char *);
  void check(int, const char *);
  [[noreturn]] void fail();
  void share_virials(int);
  void reduce_deviation();
  void write_deviation();
};

}    // namespace LAMMPS_NS

#endif
#endif
