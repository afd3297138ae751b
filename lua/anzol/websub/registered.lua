-- SPDX-License-Identifier: MIT
-- The names of the subscriptions that the scripts of this state have: [name] = true.
return {}
