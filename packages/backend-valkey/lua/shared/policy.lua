-- Policies that are carried out here. A record without any has the defaults of core.

local DEFAULT = { 0, 0, 0, 0, 0, 3, 'e', 1000, 2, 300000, 1, {} }
local RECLAIMS_MAX_DEFAULT = 20

local function is_number(value)
  return type(value) == 'number' and value == value and value >= 0
end

-- Whether a caller's policies have the form of `layouts.mjs`.
function policy.is_valid(own)
  if own == 0 then return true end
  if type(own) ~= 'table' then return false end
  for place = P.deadline, P.max_attempts do
    if not is_number(own[place]) or own[place] % 1 ~= 0 then return false end
  end
  if own[P.backoff] ~= 'e' and own[P.backoff] ~= 'f' then return false end
  for place = P.initial, P.jitter do
    if not is_number(own[place]) then return false end
  end
  if type(own[P.final]) ~= 'table' then return false end
  for _, category in ipairs(own[P.final]) do
    if type(category) ~= 'string' then return false end
  end
  return true
end

-- What callers send of policies: few texts again and again, so each is read once.
local read, count = {}, 0
local READ_MAX = 1000
local NONE = { own = 0, bytes = '\0', is_plain = true }
-- How the bytes of policies begin that have none of the times that Lua carries out.
policy.NO_TIMES = '\156\0\0\0\0'

-- The policies in these bytes, as { own: as a record has them, bytes, is_plain: whether they begin like that }; nil for what is
-- none. Without any they are the defaults.
function policy.read(text)
  if not text then return NONE end
  local known = read[text]
  if known then return known end
  local ok, own = pcall(cmsgpack.unpack, text)
  if not ok or type(own) ~= 'table' then return nil end
  -- Those of a child come with its parent.
  if #own == 2 then
    if not family.is_parent(own[2]) or not policy.is_valid(own[1]) then return nil end
    return { own = own[1], parent = own[2] }
  end
  -- And those of what names quotas or budgets with these.
  if #own == 3 then
    if (own[2] ~= '' and not family.is_parent(own[2])) or not policy.is_valid(own[1]) then return nil end
    return { own = own[1], parent = own[2] ~= '' and own[2], demands = demands.read(own[3]) }
  end
  if not policy.is_valid(own) then return nil end
  if count >= READ_MAX then read, count = {}, 0 end
  local bytes = cmsgpack.pack(own)
  known = { own = own, bytes = bytes, is_plain = string.sub(bytes, 1, #policy.NO_TIMES) == policy.NO_TIMES }
  read[text], count = known, count + 1
  return known
end

-- The bytes of policies without any of these times, as nodes of flows come with them; nil of others.
function policy.plain_bytes(own)
  if own == 0 then return NONE.bytes end
  local bytes = cmsgpack.pack(own)
  return string.sub(bytes, 1, #policy.NO_TIMES) == policy.NO_TIMES and policy.is_valid(own) and bytes or nil
end

local PRIORITY_MAX = 9000

function policy.is_priority(priority)
  return priority <= PRIORITY_MAX
end

local function of(x)
  return x[X.policy] == 0 and DEFAULT or x[X.policy]
end

function policy.attempt_timeout(x)
  return of(x)[P.attempt_timeout]
end

-- How long it is kept once it has ended: its own wish, or nil.
function policy.retention(x)
  local wish = of(x)[P.retention]
  if wish == 0 then return nil end
  return wish - 1
end

function policy.max_reclaims(x)
  local wish = of(x)[P.max_reclaims]
  return wish == 0 and RECLAIMS_MAX_DEFAULT or wish - 1
end

local function retry_of(x)
  local own = of(x)
  return own[P.max_attempts] == 0 and DEFAULT or own
end

function policy.may_retry(x, category)
  local retry = retry_of(x)
  if x[X.retries] >= retry[P.max_attempts] then return false end
  for _, final in ipairs(retry[P.final]) do
    if final == category then return false end
  end
  return true
end

-- The pause before the next retry, in whole ms.
function policy.backoff(u, x)
  local retry = retry_of(x)
  local grown = retry[P.initial]
  if retry[P.backoff] == 'e' then grown = grown * retry[P.multiplier] ^ (x[X.retries] - 1) end
  -- Infinity and what is no number are bounded too.
  local bounded = grown < retry[P.max] and grown or retry[P.max]
  if retry[P.jitter] == 1 then return math.floor(call.random(u) * (bounded + 1)) end
  return math.floor(bounded)
end

-- The pause before the n-th reclaim: the first at once, then 1 s doubling to 60 s, with jitter in its upper half.
function policy.reclaim_pause(u, n)
  if n <= 1 then return 0 end
  local bounded = math.min(1000 * 2 ^ math.min(n - 2, 20), 60000)
  return math.floor(bounded / 2 + call.random(u) * (bounded / 2))
end
