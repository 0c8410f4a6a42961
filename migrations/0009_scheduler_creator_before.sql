ALTER TABLE scheduler_jobs ADD COLUMN creator_uuid text COLLATE "C";
