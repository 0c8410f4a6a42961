-- Which work a worker does, so that a want of workers of one kind is seen.
ALTER TABLE workers ADD COLUMN kind text;
