// Limbs brought to goals and legs that nobody sees; twinsdk/motion/filters/limbs.py and
// twinsdk/motion/model/unseen.py come before.
#include "twinsdk/limbs.hpp"

#include <cstdint>
#include <memory>

#include "arrays.hpp"

namespace twinsdk {
namespace {

void ExpectRows(const Array<std::int32_t>& rows, py::ssize_t count, py::ssize_t joints,
                const char* what) {
  Expect(rows.size() == count, what);
  for (py::ssize_t i = 0; i < count; ++i) {
    Expect(rows.data()[i] >= 0 && rows.data()[i] < joints, what);
  }
}

std::unique_ptr<LimbPair> BuildLimbs(std::int32_t joints, const Array<std::int32_t>& rows,
                                     const Array<std::int32_t>& above, std::int32_t trunk,
                                     const Array<double>& numbers) {
  ExpectRows(rows, 6, joints, "rows");
  ExpectRows(above, 2, joints, "above");
  Expect(trunk >= 0 && trunk < joints, "trunk");
  Expect(numbers.size() == 6, "numbers");
  const std::int32_t *r = rows.data(), *a = above.data();
  const double* n = numbers.data();
  return std::make_unique<LimbPair>(LimbPair{joints,
                                             {r[0], r[1]},
                                             {r[2], r[3]},
                                             {r[4], r[5]},
                                             {a[0], a[1]},
                                             trunk,
                                             n[0],
                                             n[1],
                                             n[2],
                                             n[3],
                                             n[4],
                                             n[5]});
}

void BindReach(const LimbPair& pair, const Array<float>& world, const Array<float>& places,
               const Array<double>& goals, const MaybeArray<double>& ends, MaybeArray<double>& aim,
               MaybeArray<double>& bend, MaybeArray<double>& speed, bool fresh, double most_rad_s,
               double step_s, Array<double>& rotations) {
  Expect(world.size() == 4 * pair.joints && places.size() == 3 * pair.joints, "world, places");
  Expect(goals.size() == 6 && (!ends || ends->size() == 8), "goals, ends");
  Expect(rotations.size() == 4 * pair.joints, "rotations");
  Expect(aim.has_value() == bend.has_value() && aim.has_value() == speed.has_value(), "swivel");
  Expect(!aim || (aim->size() == 6 && bend->size() == 6 && speed->size() == 2), "swivel");
  const LimbSwivel swivel = {
      MutableOrNull(aim), MutableOrNull(bend), MutableOrNull(speed), fresh, most_rad_s, step_s};
  ReachLimbs(pair, {world.data(), places.data(), goals.data(), DataOrNull(ends),
                    aim ? &swivel : nullptr, rotations.mutable_data()});
}

void BindUnseenLegs(const Array<std::int32_t>& rows, const Array<std::int32_t>& above,
                    const Array<float>& seen, const Array<float>& made, const Array<double>& share,
                    const Array<double>& stands, double follows, bool fresh, Array<double>& turns,
                    Array<double>& rotations) {
  const py::ssize_t joints = rotations.size() / 4;
  Expect(rotations.size() == 4 * joints, "rotations");
  ExpectRows(rows, 8, joints, "rows");
  ExpectRows(above, 2, joints, "above");
  Expect(seen.size() == 4 * joints && made.size() == 4 * joints, "seen, made");
  Expect(share.size() == 8 && stands.size() == 2 && turns.size() == 32, "share, stands, turns");
  TurnUnseenLegs({rows.data(), above.data(), seen.data(), made.data(), share.data(), stands.data(),
                  follows, fresh, turns.mutable_data(), rotations.mutable_data()});
}

}  // namespace

void AddLimbs(py::module_& m) {
  py::class_<LimbPair>(m, "LimbPair")
      .def(py::init(&BuildLimbs), py::kw_only(), py::arg("joints"), py::arg("rows").noconvert(),
           py::arg("above").noconvert(), py::arg("trunk"), py::arg("numbers").noconvert())
      .def("reach", &BindReach, py::arg("world").noconvert(), py::arg("places").noconvert(),
           py::arg("goals").noconvert(), py::arg("ends").noconvert(), py::arg("aim").noconvert(),
           py::arg("bend").noconvert(), py::arg("speed").noconvert(), py::arg("fresh"),
           py::arg("most_rad_s"), py::arg("step_s"), py::arg("rotations").noconvert());
  m.def("turn_unseen_legs", &BindUnseenLegs, py::arg("rows").noconvert(),
        py::arg("above").noconvert(), py::arg("seen").noconvert(), py::arg("made").noconvert(),
        py::arg("share").noconvert(), py::arg("stands").noconvert(), py::arg("follows"),
        py::arg("fresh"), py::arg("turns").noconvert(), py::arg("rotations").noconvert());
}

}  // namespace twinsdk
