-- How often sources of quotes are asked.

create function push.schedule_quotes(p_schedule text default '* * * * *')
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- pg_cron itself checks the schedule.
  perform cron.schedule('supapush-quotes', p_schedule, 'select push.ring_for_quotes()');
  update push.settings as s set quotes_schedule = p_schedule where s.id;
end;
$$;
comment on function push.schedule_quotes(text) is
  'Sets how often push-quotes is rung: a schedule of pg_cron, every minute unless given. A source is asked no more often than its own interval says. For the database owner.

p_schedule: As pg_cron has it: five fields, or "30 seconds".';
