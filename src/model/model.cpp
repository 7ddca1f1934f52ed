#include <amnet/model/model.h>

namespace amnet {

Value Model::value(std::string_view role, const std::string& name) const {
  require(!name.empty(), "[model] {}the model has no {}; say in its roles which value that is.", file.empty() ? "" : file.string() + ": ",
          role);
  return net.find(name);
}

}  // namespace amnet
