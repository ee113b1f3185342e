-- Which executions a listing or a count is about: [lane, kind, letters of states, flow, tags, budget], each empty for any. `tags` are
-- pairs of key and value.

local LANE, KIND, STATES, FLOW, TAGS, BUDGET = 1, 2, 3, 4, 5, 6

local function tags_of(x)
  local text = x[X.tags]
  if text ~= '' then
    local ok, tags = pcall(cjson.decode, text)
    return ok and tags or {}
  end
  if x[X.spec] == '' then return {} end
  local ok, spec = pcall(cjson.decode, x[X.spec])
  return ok and spec.tags or {}
end

local function has_tags(x, wanted)
  if #wanted == 0 then return true end
  local tags = tags_of(x)
  for _, pair in ipairs(wanted) do
    if tags[pair[1]] ~= pair[2] then return false end
  end
  return true
end

local function names(x, budget)
  for _, each in ipairs(x[X.demands] and x[X.demands][D.budgets] or {}) do
    if each[1] == budget then return true end
  end
  return false
end

function filter.matches(u, x, namespace, wanted)
  local route = routes.of(u, x[X.rid])
  if route.ns ~= namespace then return false end
  if wanted[LANE] ~= '' and route.lane ~= wanted[LANE] then return false end
  if wanted[KIND] ~= '' and route.kind ~= wanted[KIND] then return false end
  if wanted[STATES] ~= '' and not string.find(wanted[STATES], state.public(x), 1, true) then return false end
  if wanted[FLOW] ~= '' and x[X.flow] ~= wanted[FLOW] then return false end
  if wanted[BUDGET] ~= '' and not names(x, wanted[BUDGET]) then return false end
  return has_tags(x, wanted[TAGS])
end
