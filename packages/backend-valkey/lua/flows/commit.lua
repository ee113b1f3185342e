--- Makes a flow of the parts that were staged for it: from here on it is there, all at once. `flows_release` lets its
-- members in.
-- @flags
-- @repeat request
-- @brings submit
-- @args id: string, hash: string, total: int, lanes: string[]
-- @reply unknown[]
-- @errors corruption schema_mismatch
return function(u, a)
  local f = flows.get_any(u, a[1])
  if not f then return { 's', 0 } end
  if f[F.state] ~= 's' then return { 't', f[F.ns], f[F.shape], f[F.ids] } end
  if f[F.staging] ~= a[2] then return { 'b', false } end
  if f[F.staged] ~= a[3] then return { 's', f[F.staged] } end
  for _, key in ipairs(a[4]) do
    local lane = lanes.of(u, key)
    if not lanes.accepts(lane) then return { 'l', key, lane.state } end
  end
  flows.touch(u, f)
  f[F.state] = 'o'
  f[F.created] = u.now
  flows.start_deadline(u, f)
  events.flow(u, f, nil)
  if f[F.family] then family.flow_created(u, f) end
  staging.commit(u, a[1], f)
  flush.run(u)
  return { 'a' }
end
