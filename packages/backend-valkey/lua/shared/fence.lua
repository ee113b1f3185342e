-- Whether a worker's write may be carried out, in the documented order. Changes nothing.

local function has(list, value)
  for _, each in ipairs(list) do
    if each == value then return true end
  end
  return false
end

-- Answers how it passes: 'held', 'late', 'repeat' or 'refused'; then the execution and its attempt; or what is answered.
-- `handle` is [execution, attempt, lease, epoch]; `op` one of q(uota) c(omplete) f(ail) d(elay) y(ield) r(enew) p(rogress) s(tep) s(u)spend w(aitpoint).
function fence.judge(u, namespaces, handle, op)
  local x = record.get(u, handle[1])
  if not x or not has(namespaces, routes.of(u, x[X.rid]).ns) then return 'refused', nil, nil, { 'stale_lease' } end
  if op == 'y' and x[X.yielded] ~= '' and x[X.yielded] == handle[3] .. '.' .. string.format('%.0f', handle[4]) then
    return 'repeat', x, nil, { 'yielded' }
  end
  local is_last = handle[2] == x[X.attempts] - 1
  local attempt = is_last and x[X.attempt] or attempts.read(u, handle[1], handle[2])
  if not attempt or attempt == 0 or attempt[A.lease] ~= handle[3] or attempt[A.epoch] ~= handle[4] then
    return 'refused', x, nil, { 'stale_lease' }
  end
  local by = attempt[A.by]
  if attempt[A.op] ~= '' then
    if attempt[A.op] == op then return 'repeat', x, attempt, attempt[A.answer] end
    return 'refused', x, attempt, { 'execution_not_active', by ~= '' and by or 'h', x[X.out] }
  end
  if by == '' then return 'held', x, attempt end
  if by == 't' then return 'refused', x, attempt, { 'attempt_timed_out' } end
  if by == 'v' then return 'refused', x, attempt, { 'lease_revoked' } end
  local ended = { 'execution_not_active', by, x[X.out] }
  if by ~= 'l' then return 'refused', x, attempt, ended end
  -- Reaped: until the next claim an end is still taken.
  if is_last and x[X.own] == 'x' then
    if op == 'c' or op == 'f' then return 'late', x, attempt end
    return 'refused', x, attempt, { 'lease_expired' }
  end
  if is_last and (x[X.phase] == 't' or attempt[A.generation] ~= x[X.generation]) then return 'refused', x, attempt, ended end
  return 'refused', x, attempt, { 'stale_lease' }
end
