-- SPDX-License-Identifier: MIT
-- GitLab: with a signing token (whsec_…) as Standard Webhooks say; the older secret token comes in
-- clear in X-Gitlab-Token: { token = anzol.secret "NAME" }. From GitLab's documents and source.
-- https://docs.gitlab.com/user/project/integrations/webhooks/
local declare = require "anzol.declare"

return declare {
  name = "gitlab",
  recipe = { maker = "standard" },
  options = { "token" },
  verify = function(options)
    local recipe, given = { maker = "standard" }, options
    if options.token ~= nil then
      recipe, given = { maker = "token", header = "X-Gitlab-Token" }, { secret = options.token }
    end
    local verify, sign = declare.recipe(recipe, given, "gitlab")
    return verify, declare.signer(sign)
  end,
  type = function(req)
    local body = req.json
    return declare.event_type("gitlab", declare.find(body, "object_kind")
      or declare.find(body, "event_name"))
  end,
  idempotency_key = function(req)
    return req.headers["idempotency-key"] or req.headers["webhook-id"]
      or req.headers["x-gitlab-event-uuid"]
  end,
  hide_headers = { "authorization", "cookie", "x-gitlab-token" },
}
