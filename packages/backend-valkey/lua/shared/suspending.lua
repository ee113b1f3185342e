-- Suspensions. The one that stands is in its execution's record, as far as timers need it; its condition is under a key of its
-- own: ['s', condition and state as texts that nothing here looks into, waitpoints and children that the condition names,
-- sequences of the signals and the ends that have counted]. Who judges the condition says what counts. One that was resumed
-- leaves ['r', the ends] there.

local FAILURE = { 'suspension_timeout', 'what it waited for did not come in time' }

local function key_of(u, x)
  return waits.key(u, x, 'suspension')
end

function suspending.stands(x)
  return x[X.phase] == 's'
end

-- Whether the next claim is to be told how.
function suspending.is_resumed(x)
  return x[X.waits] and x[X.waits][V.state] == 'r'
end

-- What stands, as it is stored.
function suspending.read(u, x)
  local ok, doc = pcall(cmsgpack.unpack, redis.call('GET', key_of(u, x)) or '')
  if not ok or type(doc) ~= 'table' or doc[1] ~= 's' or #doc ~= 7 then call.refuse('corruption', key_of(u, x)) end
  return doc
end

local function put(u, x, doc)
  redis.call('STRLEN', key_of(u, x))
  local writes = flush.staged(u).writes
  writes[#writes + 1] = key_of(u, x)
  writes[#writes + 1] = cmsgpack.pack(doc)
end

-- `wait`: [reason, behaviour, delay, closes] and when it times out.
function suspending.begin(u, x, id, wait, times_out, doc)
  local w = waits.open(u, x)
  w[V.id], w[V.state], w[V.reason], w[V.since] = id, 's', wait[1], u.now
  w[V.times_out], w[V.behaviour], w[V.delay], w[V.closes] = times_out, wait[2], wait[3], wait[4]
  w[V.escalated], w[V.by], w[V.revision] = 0, '', w[V.revision] + 1
  put(u, x, doc)
  transition.suspended(u, x)
end

-- What has counted since, by a judgement of this state.
function suspending.count(u, x, doc, judged)
  local w = waits.open(u, x)
  w[V.revision] = w[V.revision] + 1
  doc[3], doc[6], doc[7] = judged[1], judged[2], judged[3]
  put(u, x, doc)
end

-- Writes down how it ended: what it used is used up, what it waited on is closed. `fresh` is the sequence of a signal that this
-- step keeps, `rows` the waitpoints that it changes.
function suspending.settle(u, x, by, doc, fresh, rows)
  local w = waits.open(u, x)
  signals.use(u, x, doc[6], w[V.id], fresh)
  if w[V.closes] == 1 then waitpoints.close(u, x, doc[4], rows or {}) end
  w[V.state], w[V.by], w[V.since] = 'r', by, u.now
  w[V.times_out], w[V.escalated], w[V.revision] = 0, 0, w[V.revision] + 1
  if #doc[7] > 0 then
    put(u, x, { 'r', doc[7] })
  else
    local unlinks = flush.staged(u).unlinks
    unlinks[#unlinks + 1] = key_of(u, x)
  end
end

-- The same attempt goes on, after the delay that its suspension asked for.
function suspending.resume(u, x, by, doc, fresh, rows)
  suspending.settle(u, x, by, doc or suspending.read(u, x), fresh, rows)
  transition.hold_until(u, x, u.now + x[X.waits][V.delay], 'm')
  transition.runnable(u, x, 'i')
end

-- Its execution ends while it stands.
function suspending.drop(u, x)
  if not suspending.stands(x) then return end
  local w, unlinks = waits.open(u, x), flush.staged(u).unlinks
  w[V.id], w[V.state], w[V.times_out], w[V.escalated], w[V.revision] = '', '', 0, 0, w[V.revision] + 1
  unlinks[#unlinks + 1] = key_of(u, x)
end

local function send_timeout(u, x)
  local id = x[X.waits][V.id]
  signals.send(u, x, id, 'timeout')
  events.signal(u, x, id, '', 'timeout', 's')
end

-- f fail, c cancel, e expire, r resume, s resume with a signal, k escalate.
local by_behaviour = {
  f = function(u, x)
    attempts.close(u, x, 'f', 'u', FAILURE)
    transition.finish(u, x, 'f', 'u', nil, FAILURE)
  end,
  c = function(u, x) transition.finish(u, x, 'c', 'u', 'suspension_timeout') end,
  e = function(u, x) transition.finish(u, x, 'e', 'u', nil, FAILURE) end,
  r = function(u, x) suspending.resume(u, x, 't') end,
  s = function(u, x)
    local doc = suspending.read(u, x)
    send_timeout(u, x)
    suspending.resume(u, x, 't', doc)
  end,
  k = function(u, x)
    waits.open(u, x)[V.escalated] = 1
    transition.suspended(u, x)
  end,
}

-- The condition did not hold in time.
function suspending.time_out(u, x)
  transition.touch(u, x)
  by_behaviour[x[X.waits][V.behaviour]](u, x)
end
