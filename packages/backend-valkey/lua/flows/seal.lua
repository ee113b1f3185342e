--- Opens a draft, and lets its first roots go. The answer says whether that were all: else `flows_release` goes on.
-- @flags allow-oom
-- @repeat request
-- @brings submit
-- @args namespace: string, id: string, max: int
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local id = a[2]
  local f = flows.find(u, a[1], id)
  if f[F.state] ~= 'd' then return { 'n', f[F.state] } end
  if f[F.members] == 0 then return { 'e' } end
  flows.touch(u, f)
  f[F.draft_expires] = 0
  flows.set_state(u, f, 'o')
  flows.start_deadline(u, f)
  outbox.unpark(u, id)
  release.begin(u, f, 1)
  local is_done = release.batch(u, id, f, a[3])
  release.leave(u, id, f)
  resolve.fresh(u)
  flush.run(u)
  return { 's', f[F.revision], is_done }
end
