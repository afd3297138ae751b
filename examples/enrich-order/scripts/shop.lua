-- Where orders come from.
local anzol = require "anzol"

anzol.source("shop", {
  provider = anzol.provider.standard { secret = anzol.secret "SHOP_SECRET" },
  type = function(req) return "shop." .. req.json.type end,
})
