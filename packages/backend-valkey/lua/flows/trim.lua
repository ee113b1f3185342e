--- Removes an ended flow that is past its retention, 100 members a call: `gone`, or `more` while members are left. `atMs` is the
-- time of its entry on the wheel. `kept` is the end of its members' retention, where the caller has looked it up, and
-- `change` the flow's as of then; 0 both where the flow itself knows. `stays`: it is not to go, or not yet.
-- @flags allow-oom
-- @brings nothing
-- @args flow: string, atMs: int, kept: int, change: int
-- @reply string
-- @errors corruption schema_mismatch
local function may_go(u, f, kept, change)
  if not flows.is_ended(f) or f[F.open] > 0 or f[F.kept] > u.now then return false end
  -- Parts of a growth that never came are removed by their own timer first.
  if f[F.staging] ~= '' or (change > 0 and f[F.change] ~= change) then return false end
  if kept <= f[F.kept] then return true end
  -- A replay let it forget how long the members are kept that it left alone.
  flows.touch(u, f)
  f[F.kept] = kept
  return kept <= u.now
end

return function(u, a)
  local f, is_left = flows.get(u, a[1]), false
  if f and not may_go(u, f, a[3], a[4]) then
    flush.run(u)
    return 'stays'
  end
  if f then is_left = removal.flow(u, f) else is_left = removal.next_members(u, a[1]) end
  if not is_left then retention.drop(u, a[2], 'f' .. a[1]) end
  flush.run(u)
  return is_left and 'more' or 'gone'
end
